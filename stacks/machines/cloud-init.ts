/**
 * What cloud-init does on a machine as it first boots, before its sshd answers anybody: the host key that its maker knows,
 * and root's key. Nothing else of the image is changed; the imprint does the rest.
 *
 * Root is let in by the imprint key whatever user the image would have made (Debian's at AWS: `admin`, with root shut), so
 * that a cell has one key to remove when the imprint is done, and one place where it lies.
 */
import type { Json } from '../stack.ts';

/** For `userData`: with holes for the imprint key and the first host key. */
export const CLOUD_CONFIG: Json = {
  $cloudConfig: {
    disable_root: false,
    ssh_pwauth: false,
    ssh_deletekeys: true,
    // The image's own keys go and none but this is made. cloud-init derives the public key from it.
    ssh_keys: { ed25519_private: { $secret: 'hostKey' } },
    users: [{ name: 'root', ssh_authorized_keys: [{ $value: 'imprintKey' }] }],
  },
};
