/** The small example, and with it what all programs share: serving, counting, throttling, ending. */
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endUnderLoad } from './load.ts';
import { figure, type Program, Stage, until } from './stage.ts';

let stage: Stage;
let web: Program;

beforeEach(async () => {
  stage = await Stage.open('small');
  web = await stage.start('web', 'web.js', { domain: 'www.small.test' });
});
afterEach(() => stage.close());

const level = (value: number) => async () => figure(await web.get('/metrics'), 'level') === value;

describe('web', () => {
  it('says which cell made the page and which others there are', async () => {
    await stage.start('web', 'web.js', { cell: 'brave-<owl>', domain: 'www.small.test' });
    await until('the other cell is on the page', async () => (await web.get('/')).text.includes('brave-'));
    const { status, text } = await web.get('/');
    expect(status).toBe(200);
    expect(text).toContain('Hello from amber-fox');
    expect(text).not.toContain('<owl>');
  });

  it('answers what it does not have with 404, and what it cannot read with 400', async () => {
    expect((await web.get('/nothing')).status).toBe(404);
    expect((await web.send('POST', '/hello', {})).status).toBe(404);
    expect((await web.get('/%ff')).status).toBe(404);
  });

  it('is healthy and counts requests per second, without those of the cell itself', async () => {
    expect((await web.get('/health')).json).toEqual({ ok: true });
    for (let i = 0; i < 30; i++) await web.get('/hello');
    for (let i = 0; i < 30; i++) await web.get('/health');
    const metrics = await web.get('/metrics');
    expect(figure(metrics, 'rps')).toBeGreaterThan(5);
    expect(figure(metrics, 'rps')).toBeLessThanOrEqual(10);
    await until('the window has passed', async () => figure(await web.get('/metrics'), 'rps') === 0);
  });

  it('lets its page be kept longer the more it is throttled, and not at all when relaxed', async () => {
    expect(figure(await web.get('/hello'), 'maxAge')).toBe(0);
    await stage.hook(web, ['throttle.js', '50']);
    await until('it is throttled', level(50));
    expect(figure(await web.get('/hello'), 'maxAge')).toBe(30);
    await stage.hook(web, ['throttle.js'], { CELL_THROTTLE_LEVEL: '100' });
    await until('it is throttled more', level(100));
    expect(figure(await web.get('/hello'), 'maxAge')).toBe(60);
    await stage.hook(web, ['throttle.js', '0', '0']);
    await until('it is relaxed', level(0));
    expect(figure(await web.get('/hello'), 'maxAge')).toBe(0);
  });

  it.each(['101', '-1', 'much', ''])('refuses the throttle level %j', async (bad) => {
    await expect(stage.hook(web, ['throttle.js', ...(bad === '' ? [] : [bad])])).rejects.toThrow('a level is 0 to 100');
    expect(figure(await web.get('/metrics'), 'level')).toBe(0);
  });

  it('ends with 0 within two seconds under load and loses no request', async () => {
    const outcome = await endUnderLoad(web, 'SIGTERM', () => ({ method: 'GET', path: '/hello', json: undefined }));
    expect(outcome.acknowledged.length).toBeGreaterThan(20);
    expect(outcome.lost).toEqual([]);
    expect(outcome.code).toBe(0);
    expect(outcome.took).toBeLessThan(2_000);
  });

  it('ends in time though a client is half way through a request and never goes on', async () => {
    const { hostname, port } = new URL(web.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => socket.destroy());
    socket.write('GET /hello HTTP/1.1\r\nHost: x\r\n');
    await until('the connection is there', () => !socket.connecting);
    const began = Date.now();
    expect(await web.stop('SIGTERM')).toBe(0);
    expect(Date.now() - began).toBeLessThan(2_000);
    socket.destroy();
  });
});
