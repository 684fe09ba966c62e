/**
 * Pulumi's own packages, as far as stacks are made of them: their versions, the resources that we use of each, and how
 * their plugins are told a credential.
 *
 * A plugin gets its credential from its environment and never from its inputs: inputs of a provider are kept in the
 * checkpoint, which travels to the child with the key to read it, and a child may have less than its parent. What is in
 * the environment is also always the credential of now, also where a stack is only destroyed.
 */
import type { CustomResource, CustomResourceOptions } from '@pulumi/pulumi';
import type { Json } from './stack.ts';

export type PackageName = 'aws' | 'digitalocean' | 'linode';

export interface Package {
  /** Of the plugin: that of the npm package in package.json or a later one of its line, whose archives' checksums are known. */
  readonly version: string;
  /** What its plugin reads. Everything else that it would read on some computer is set to nothing. */
  environment(credential: { readonly [key: string]: Json }): Readonly<Record<string, string>>;
}

const text = (value: Json | undefined) => (typeof value === 'string' ? value : '');

const PACKAGES: Readonly<Record<PackageName, Package>> = {
  aws: {
    version: '7.48.0',
    environment: ({ accessKeyId, secretAccessKey, sessionToken }) => ({
      AWS_ACCESS_KEY_ID: text(accessKeyId),
      AWS_SECRET_ACCESS_KEY: text(secretAccessKey),
      AWS_SESSION_TOKEN: text(sessionToken),
      AWS_PROFILE: '',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
    }),
  },
  digitalocean: {
    version: '4.81.0',
    environment: ({ token }) => ({
      DIGITALOCEAN_TOKEN: text(token),
      DIGITALOCEAN_ACCESS_TOKEN: '',
      DIGITALOCEAN_API_URL: '',
    }),
  },
  linode: {
    version: '5.7.0',
    environment: ({ token }) => ({ LINODE_TOKEN: text(token), LINODE_URL: '', LINODE_API_VERSION: '' }),
  },
};

export function packageOf(name: string): Package | null {
  return Object.hasOwn(PACKAGES, name) ? PACKAGES[name as PackageName] : null;
}

export type ResourceClass = new (name: string, inputs: object, options: CustomResourceOptions) => CustomResource;

/** One file of a package each: a whole one takes seconds to load. A new resource is a line here. */
const CLASSES: Readonly<Record<string, () => Promise<unknown>>> = {
  'aws:route53/record:Record': async () => (await import('@pulumi/aws/route53/record.js')).Record,
  'aws:ec2/instance:Instance': async () => (await import('@pulumi/aws/ec2/instance.js')).Instance,
  'aws:ec2/securityGroup:SecurityGroup': async () => (await import('@pulumi/aws/ec2/securityGroup.js')).SecurityGroup,
  'digitalocean:index/dnsRecord:DnsRecord': async () => (await import('@pulumi/digitalocean/dnsRecord.js')).DnsRecord,
  'digitalocean:index/droplet:Droplet': async () => (await import('@pulumi/digitalocean/droplet.js')).Droplet,
  'digitalocean:index/firewall:Firewall': async () => (await import('@pulumi/digitalocean/firewall.js')).Firewall,
  'digitalocean:index/sshKey:SshKey': async () => (await import('@pulumi/digitalocean/sshKey.js')).SshKey,
  'digitalocean:index/tag:Tag': async () => (await import('@pulumi/digitalocean/tag.js')).Tag,
  'linode:index/domainRecord:DomainRecord': async () => (await import('@pulumi/linode/domainRecord.js')).DomainRecord,
  'linode:index/firewall:Firewall': async () => (await import('@pulumi/linode/firewall.js')).Firewall,
  'linode:index/instance:Instance': async () => (await import('@pulumi/linode/instance.js')).Instance,
};

/** The class of a type of resource; null for our own, which have none. */
export async function classOf(type: string): Promise<ResourceClass | null> {
  if (!Object.hasOwn(CLASSES, type)) return null;
  return (await CLASSES[type]?.()) as ResourceClass;
}
