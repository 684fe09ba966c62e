/** Certificates of functions on this machine: what goes along when one is handed over. */
import { type Certificates, certificatesOf, keepCertificates } from './effects/certificates.ts';
import { genomeOf, type Here } from './here.ts';
import type { FunctionName } from './model.ts';

/** The certificates of their domains; none on a machine whose ingress has none. */
export async function securityOf(here: Here, names: readonly FunctionName[]): Promise<Certificates> {
  const { caddy } = here.layout;
  if (caddy === null) return {};
  const { functions } = await genomeOf(here);
  return certificatesOf(
    caddy,
    names.flatMap((name) => functions[name]?.domain ?? []),
  );
}

/** Takes certificates into use at the next reload. */
export async function secure(here: Here, certificates: Certificates): Promise<void> {
  const { caddy } = here.layout;
  if (caddy !== null) await keepCertificates(caddy, certificates);
}
