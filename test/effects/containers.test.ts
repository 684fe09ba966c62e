/** How a container is run, as text. That podman does it is held by test/lab/house.test.ts. */
import { describe, expect, it } from 'vitest';
import { type Container, containerLines, type Image, portInside, sourceOf } from '../../src/effects/containers.ts';
import { unitText } from '../../src/effects/units.ts';

const image: Image = { reference: 'docker.io/library/redis:8', exposed: [6379] };
const container: Container = {
  name: 'cache',
  gene: { run: undefined, port: undefined, sandbox: 'strict' },
  image,
  ids: { uid: 901, gid: 902 },
  folder: '/srv/cell/cache',
  seen: ['/srv/cell/.well-known/cell'],
  host: '127.0.0.1',
  port: 20_001,
  variables: ['CELL_NAME', 'HOME', 'HOST', 'PATH', 'PORT', 'TOKEN'],
  settings: ['STORAGE_DRIVER=vfs'],
};
const words = (more: Partial<Container>) =>
  containerLines({ ...container, ...more })
    .start.split('" "')
    .map((word) => word.replaceAll('"', ''));

describe('a container', () => {
  it('runs as the user of its function, without rights, published at its private address only', () => {
    const line = words({});
    for (const word of ['--user=901:902', '--cap-drop=all', '--security-opt=no-new-privileges', '--cgroups=disabled']) {
      expect(line).toContain(word);
    }
    expect(line.filter((word) => word.startsWith('--publish'))).toEqual(['--publish=127.0.0.1:20001:6379']);
    expect(line.at(-1)).toBe(image.reference);
  });

  it('gets its variables by name, and none that mean the machine', () => {
    const variables = words({}).filter((word) => word.startsWith('--env='));
    expect(variables).toEqual(['--env=CELL_NAME', '--env=TOKEN', '--env=HOST=0.0.0.0', '--env=PORT=6379']);
  });

  it.each<[string, readonly string[]]>([
    ['redis-server --save 60 1', ['redis-server', '--save', '60', '1']],
    ['redis-server --port $PORT', ['/bin/sh', '-c', 'redis-server --port $$PORT']],
    ["echo 'a  b'", ['/bin/sh', '-c', "echo 'a  b'"]],
  ])('runs %s as %j, in its folder', (run, command) => {
    const line = words({ gene: { ...container.gene, run } });
    expect(line.slice(-command.length)).toEqual(command);
    expect(line).toContain('--workdir=/srv/cell/cache');
  });

  it('keeps what its maker meant without a sandbox, and listens where it is known to', () => {
    expect(words({ gene: { ...container.gene, sandbox: 'off' } }).filter((word) => /user|cap-drop/.test(word))).toEqual(
      [],
    );
    expect(portInside({ port: 7000 }, image, 1)).toBe(7000);
    expect(portInside({ port: undefined }, image, 1)).toBe(6379);
    expect(portInside({ port: undefined }, { ...image, exposed: [80, 443] }, 1)).toBe(1);
  });

  it('is a unit that podman tells of, with the limits of its function and no user of its own', () => {
    const { start, lines } = containerLines(container);
    const gene = { limits: { memory: 1000 }, sandbox: 'strict' } as const;
    const places = { folder: '/srv/cell/cache', environment: '/etc/cell/env/cache.env', hidden: ['/var/lib/cell'] };
    const text = unitText({ name: 'cache', gene, start, container: lines, user: 'cell-cache', ...places });
    expect(text).toContain('Type=notify\n');
    expect(text).toContain('Environment=STORAGE_DRIVER=vfs\n');
    expect(text).toContain('MemoryMax=1000\n');
    expect(text).not.toMatch(/^(User|ProtectSystem|CapabilityBoundingSet)=/m);
  });
});

describe('an image', () => {
  it('comes from a registry or from a file of the source, and from nowhere else', () => {
    expect(sourceOf('docker.io/library/redis:8', '/f')).toEqual({ pull: 'docker.io/library/redis:8', archive: false });
    expect(sourceOf('docker-archive:a/redis.tar', '/f')).toEqual({
      pull: 'docker-archive:/f/a/redis.tar',
      archive: true,
    });
    expect(() => sourceOf('oci-archive:../other/redis.tar', '/f')).toThrow('outside');
    expect(() => sourceOf('docker-archive:/etc/redis.tar', '/f')).toThrow('outside');
  });
});
