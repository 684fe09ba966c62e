/** The part of the schema that says where an organism lives: machines, and what stands in front of its functions. */
import { z } from 'zod';
import { awsCloud, digitaloceanCloud, linodeCloud } from './clouds.ts';
import { authority, d, money, name, port, secretSource, size } from './words.ts';

const localCloud = z.strictObject({
  provider: z.literal('local').meta(d('Machines that are processes on this computer')),
  network: z
    .string()
    .regex(/^127\.\d{1,3}\.\d{1,3}\.0\/(?:16|24)$/, 'expected a loopback network, such as 127.77.0.0/16')
    .default('127.77.0.0/16')
    .meta(d('Loopback addresses that machines may take')),
  sshPort: port.default(2222).meta(d('Where machines answer SSH')),
  httpPort: port.default(8080).meta(d('Where machines answer HTTP for their domains')),
  runtime: z
    .enum(['host', 'none'])
    .default('host')
    .meta(d("host: machines come with this computer's Node; none: with nothing, so an imprint brings the runtime too")),
  /** So that cost caps can be tried at home. */
  monthly: money.prefault('0 USD').meta(d('What a machine is taken to cost a month')),
});

/** Where SSH answers: the default port is left out of most genomes. */
const sshAt = {
  address: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9.:-]*$/, 'expected an address or a host name')
    .meta(d('Its address or host name')),
  port: z.number().int().min(1).max(65535).default(22).meta(d('Where its sshd answers')),
  hostKey: authority.meta(d('The host key it answers with, pinned: ssh-ed25519 AAAA…')),
};
/** What a machine of one's own is taken to cost, so that the cap of the body holds for these, too. */
const ownMonthly = money.prefault('0 USD').meta(d('What a machine is taken to cost a month'));
/** A folder of .deb files beside the genome, carried to machines whose image lacks what a function or the cell needs. */
const packages = z
  .string()
  .optional()
  .meta(d('A folder of .deb files beside the genome, for what the image lacks; carried from parent to child'));

const hostsCloud = z.strictObject({
  provider: z.literal('hosts').meta(d('Your own machines, reached by SSH')),
  machines: z
    .array(
      z.strictObject({
        ...sshAt,
        user: z
          .string()
          .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'expected the name of a user, such as root or admin')
          .default('root')
          .meta(d('Who logs in: root, or somebody who may sudo without a password')),
      }),
    )
    .min(1)
    .meta(d('The machines that may become cells; each is claimed by one cell at a time')),
  credentials: secretSource.meta(d('The private SSH key that opens them: file:PATH, env:NAME or command:LINE')),
  packages,
  monthly: ownMonthly,
});

const nspawnCloud = z.strictObject({
  provider: z.literal('nspawn').meta(d('A Linux box of your own that makes systemd-nspawn machines')),
  box: z.strictObject(sshAt).meta(d('The box; `cell box` sets it up and makes the key that drives it')),
  image: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]*$/, 'expected the name of an image on the box, such as debian-13')
    .default('debian-13')
    .meta(d('The image machines start from')),
  cpus: z.number().min(0.1).max(256).optional().meta(d('How many cores a machine may use; all when left out')),
  memory: size.optional().meta(d('How much memory a machine may use; all when left out')),
  bake: z
    .boolean()
    .default(true)
    .meta(d("Keep the cells' artefacts on the box, so that new machines have them from their start")),
  credentials: secretSource.meta(d('The private SSH key that drives the box: file:PATH, env:NAME or command:LINE')),
  packages,
  monthly: ownMonthly,
});
export const cloud = z.discriminatedUnion('provider', [
  localCloud,
  hostsCloud,
  nspawnCloud,
  digitaloceanCloud,
  awsCloud,
  linodeCloud,
]);

/** Where children are made, of the clouds that can be afforded. */
export const placement = z
  .strictObject({
    prefer: z
      .array(name)
      .default([])
      .meta(d('Clouds to take before all others, the best first; among the rest the cheapest is taken')),
    spread: z.enum(['none', 'regions']).default('none').meta(d('regions: cells are never all in one region')),
  })
  .meta(d('In which cloud a child is made: as preferred, then the cheapest, then the farthest from its siblings'));

/** What stands in front of the functions. */
export const ingress = z
  .strictObject({
    acme: z
      .strictObject({
        directory: z
          .url('expected the URL of an ACME directory')
          .default('https://acme-v02.api.letsencrypt.org/directory')
          .meta(d('The ACME directory of the certificate authority')),
        email: z.string().optional().meta(d('Where the authority writes to')),
        roots: z
          .string()
          .optional()
          .meta(
            d(
              'A PEM file beside the genome, for an authority of your own: the roots of its server and of what it signs',
            ),
          ),
      })
      .optional()
      .meta(d('Certificates by ACME: domains answer HTTPS, and HTTP is redirected. Without it, HTTP only')),
    metrics: z.boolean().default(false).meta(d('Serve the metrics at /.well-known/cell/metrics')),
  })
  .meta(d('How domains are served'));
