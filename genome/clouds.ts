/** The part of the schema that says where machines are rented: clouds with an API, by region and size. */
import { z } from 'zod';
import { d, mint, money, secretSource } from './words.ts';

const word = (expected: string) => z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, `expected ${expected}`);

/** What every rented machine takes. */
const rented = {
  endpoint: z
    .url('expected the URL of an API')
    .regex(/^https?:\/\/[^?#]*[^?#/]$/, 'expected the URL of an API, without a slash at its end')
    .optional()
    .meta(d('Where the API is, when not at its usual place: a proxy, or a stand-in')),
  packages: z
    .string()
    .optional()
    .meta(d('A folder of .deb files beside the genome, for what the image lacks; carried from parent to child')),
  monthly: money
    .optional()
    .meta(d('What a machine costs a month, where that is not what the price table says, or it says nothing')),
};

export const digitaloceanCloud = z.strictObject({
  provider: z.literal('digitalocean').meta(d('Droplets of DigitalOcean')),
  region: word('a region, such as ams3').meta(d('Where machines are made: ams3, nyc3, …')),
  size: word('a size, such as s-1vcpu-1gb').meta(d('What machines are made: s-1vcpu-1gb, …')),
  image: word('the slug or number of an image, such as debian-13-x64')
    .default('debian-13-x64')
    .meta(d('The image machines start from: the slug of one of Debian or Ubuntu, or the number of your own')),
  credentials: secretSource.meta(d('A token for droplets, of its own: env:NAME, file:PATH or command:LINE')),
  ...rented,
});

export const linodeCloud = z.strictObject({
  provider: z.literal('linode').meta(d('Machines of Linode (Akamai)')),
  region: word('a region, such as eu-central').meta(d('Where machines are made: eu-central, us-east, …')),
  size: word('a type, such as g6-nanode-1').meta(d('What machines are made: g6-nanode-1, g6-standard-1, …')),
  image: z
    .string()
    .regex(/^(?:linode|private)\/[a-z0-9.-]+$/, 'expected an image, such as linode/debian13')
    .default('linode/debian13')
    .meta(d('The image machines start from; it needs cloud-init')),
  credentials: secretSource.meta(d('A personal access token: env:NAME, file:PATH or command:LINE')),
  mint,
  ...rented,
});

export const awsCloud = z.strictObject({
  provider: z.literal('aws').meta(d('Instances of EC2')),
  region: word('a region, such as eu-central-1').meta(d('Where machines are made: eu-central-1, us-east-1, …')),
  size: word('an instance type, such as t4g.small').meta(
    d('What machines are made: t4g.small (arm64), t3.small (amd64), …'),
  ),
  image: z
    .string()
    .regex(/^(?:ami-[0-9a-f]{8,17}|debian-1[2-9])$/, 'expected debian-13, or the id of an image: ami-…')
    .default('debian-13')
    .meta(d("Debian's newest image of that release for the processor of the size; or the id of another")),
  network: z
    .strictObject({
      vpc: z
        .string()
        .regex(/^vpc-[0-9a-f]{8,17}$/, 'expected the id of a VPC: vpc-…')
        .meta(d('Its VPC')),
      subnet: z
        .string()
        .regex(/^subnet-[0-9a-f]{8,17}$/, 'expected the id of a subnet: subnet-…')
        .meta(d('A subnet with a way to the internet')),
      ipv6: z.boolean().default(true).meta(d('Whether machines get an IPv6 address; the subnet needs a block of them')),
    })
    .optional()
    .meta(d("Where machines are connected; without it, the region's default VPC, which has IPv4 only")),
  credentials: secretSource.meta(
    d('Keys as `aws configure export-credentials` prints them: command:LINE, file:PATH or env:NAME'),
  ),
  mint,
  ...rented,
});
