import { describe, expect, it } from 'vitest';
import { renderFindings } from '../../genome/print.ts';
import { findingsIn, gardenWith } from './garden.ts';

// Put together here, so that no scanner takes this file for a leak.
const AWS = `AKIA${'ABCDEFGHIJKLMNOP'}`;
const GITHUB = `ghp_${'a1B2c3D4e5'.repeat(4)}`;

const inEnv = (name: string, value: string) =>
  gardenWith('    run: node db.js\n', `    run: node db.js\n    env: { ${name}: ${value} }\n`);

describe('a secret in the genome', () => {
  it.each([
    ['a known token', 'KEY_ID', AWS],
    ['another known token', 'ACCESS', GITHUB],
    ['a variable called a password', 'DB_PASSWORD', 'hunter2hunter2'],
    ['a variable called a token', 'API_TOKEN', 'abcdefgh'],
    ['a URL with a password', 'DATABASE_URL', 'postgres://user:hunter2hunter2@db.example.org/x'],
  ])('%s is refused with its line, and is never repeated', (_, name, value) => {
    const findings = findingsIn(inEnv(name, value));
    expect(findings).toMatchObject([{ severity: 'error', code: 'secret', path: `functions.db.env.${name}` }]);
    expect(JSON.stringify(findings)).not.toContain(value);
    expect(renderFindings(findings, { colour: false })).not.toContain(value);
  });

  it.each([
    ['in a command', gardenWith('run: node db.js', `run: node db.js --key ${AWS}`)],
    ['in a comment of a line that is wrong otherwise', gardenWith('run: node db.js', `rnu: node db.js # ${AWS}`)],
    ['in a text that is no YAML', gardenWith('run: node db.js', `run: { ${AWS}: [`)],
    [
      'where its source belongs',
      gardenWith('    run: node db.js\n', `    run: node db.js\n    secrets: { A: ${AWS} }\n`),
    ],
  ])('%s is not shown', (_, text) => {
    const findings = findingsIn(text);
    expect(findings.some((finding) => finding.severity === 'error')).toBe(true);
    expect(JSON.stringify(findings)).not.toContain(AWS);
  });

  it('of a cloud is told another place than one of a function', () => {
    const cloud = { provider: 'linode', region: 'eu-central', size: 'g6-nanode-1', credentials: AWS };
    const [inCloud] = findingsIn(JSON.stringify({ organism: 'garden', clouds: { far: cloud } })).filter(
      ({ code }) => code === 'secret',
    );
    expect(inCloud?.expected).toBe('where it comes from: env:NAME, file:PATH or command:LINE');
    const [inFunction] = findingsIn(inEnv('KEY_ID', AWS));
    expect(inFunction?.expected).toMatch(/^where it comes from, under secrets of the function: KEY_ID: env:KEY_ID/);
  });

  it('a plain secret in the place of its source is not shown either', () => {
    const findings = findingsIn(
      gardenWith('    run: node db.js\n', '    run: node db.js\n    secrets: { A: swordfish }\n'),
    );
    expect(findings).toMatchObject([{ severity: 'error', code: 'secret', path: 'functions.db.secrets.A' }]);
    expect(JSON.stringify(findings)).not.toContain('swordfish');
  });

  it('a random-looking value is a warning', () => {
    expect(findingsIn(inEnv('SALT', 'q8Zr2Lw9Xv4Tb7Nm1Kc6Yh3Pd5'))).toMatchObject([
      { severity: 'warning', code: 'secret' },
    ]);
  });

  it.each([
    ['TOKEN_TTL', '60s'],
    ['PASSWORD_FILE', '/run/password'],
    ['API_TOKEN', '$OTHER'],
    ['SITE', 'https://www.example.org/a-long-path/with-many-parts'],
    ['REGION', 'eu-central-1-with-a-long-name-1'],
    ['SECRET', '""'],
  ])('%s: %s is no secret', (name, value) => {
    expect(findingsIn(inEnv(name, value))).toEqual([]);
  });
});
