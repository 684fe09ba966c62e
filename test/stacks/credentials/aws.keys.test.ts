/** AWS keys in the forms in which people have them. */
import { expect, test } from 'vitest';
import { awsKeysIn } from '../../../stacks/credentials/aws.keys.ts';

const KEYS = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'a/b+c=' };
const SESSION = { ...KEYS, sessionToken: 'FwoGZ==' };

test.each<[string, string, object]>([
  [
    '`aws configure export-credentials`',
    '{"Version": 1, "AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "a/b+c=", "SessionToken": "FwoGZ=="}',
    SESSION,
  ],
  [
    '`aws sts assume-role`',
    '{"Credentials": {"AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "a/b+c=", "SessionToken": "FwoGZ=="}, "AssumedRoleUser": {"Arn": "x"}}',
    SESSION,
  ],
  ['the same without a session', '{"AccessKeyId":"AKIAEXAMPLE","SecretAccessKey":"a/b+c="}', KEYS],
  [
    '~/.aws/credentials',
    '[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key=a/b+c=\n[other]\naws_access_key_id = AKIAOTHER\n',
    KEYS,
  ],
  [
    'a shell',
    'export AWS_ACCESS_KEY_ID=AKIAEXAMPLE\nexport AWS_SECRET_ACCESS_KEY=\'a/b+c=\'\nexport AWS_SESSION_TOKEN="FwoGZ=="',
    SESSION,
  ],
])('as %s has them', (_, text, keys) => expect(awsKeysIn(text, 'env:KEYS')).toEqual(keys));

test.each([
  ['nothing', '', 'it says no access key id'],
  ['half of them', 'aws_access_key_id=AKIAEXAMPLE', 'it says no secret access key'],
  ['a bare secret', 'a/b+c=secret', 'it says no access key id'],
  ['broken JSON', '{"AccessKeyId": "AKIA', 'it says no access key id'],
  ['JSON of something else', '{"AccessKeyId": 7, "Credentials": null}', 'it says no access key id'],
])('%s is refused by its source, and not shown', (_, text, why) => {
  expect(() => awsKeysIn(text, 'file:keys')).toThrow(
    expect.objectContaining({ code: 'NOT_FOUND', message: 'There are no AWS keys at file:keys', why }),
  );
});
