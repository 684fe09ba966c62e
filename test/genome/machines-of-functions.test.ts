/** What a function asks of its machine, against what the machines of the genome are. */
import { expect, it } from 'vitest';
import { findingsIn, gardenAfter } from './garden.ts';

type Change = Readonly<Record<string, unknown>>;
const image = (value: string, more: Change = {}): Change => ({
  'functions.db.run': undefined,
  'functions.db.image': value,
  ...more,
});

it.each<[string, Change, string, string, string]>([
  [
    'a container where machines are folders',
    image('docker.io/library/redis:8'),
    'error',
    'image-on-folder',
    'functions.db.image',
  ],
  [
    'an image that is a file, without a source',
    image('docker-archive:a.tar'),
    'error',
    'image-archive',
    'functions.db.image',
  ],
  [
    'an image outside of the source',
    image('oci-archive:../a.tar', { 'functions.db.source': './db' }),
    'error',
    'image-archive',
    'functions.db.image',
  ],
  [
    'packages where machines are folders',
    { 'functions.db.packages': ['redis-server'] },
    'warning',
    'packages-on-folder',
    'functions.db.packages',
  ],
  [
    'an interval that cron cannot keep',
    { 'body.schedule': 'cron', 'body.heartbeat': '90s' },
    'error',
    'cron-cannot',
    'body.schedule',
  ],
])('%s', (_, change, severity, code, path) => {
  expect(findingsIn(gardenAfter(change))).toEqual(
    expect.arrayContaining([expect.objectContaining({ severity, code, path })]),
  );
});
