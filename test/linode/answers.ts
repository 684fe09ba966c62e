/** What Linode's API shows of its things, as far as the maker's plugin and a cell look at it. */
import type { Given } from '../stacks/credentials/server.support.ts';

export interface Instance {
  readonly id: number;
  readonly label: string;
  readonly region: string;
  readonly type: string;
  readonly image: string;
  readonly tags: readonly string[];
  /** The public keys it was made with, and what its cloud-init is told. */
  readonly keys: readonly string[];
  readonly userData: string;
  /** How often it was looked at since. */
  looks: number;
}

export interface Rules {
  readonly inbound: readonly unknown[];
  readonly outbound: readonly unknown[];
  readonly inbound_policy: string;
  readonly outbound_policy: string;
}

export interface Firewall {
  readonly id: number;
  readonly label: string;
  readonly tags: readonly string[];
  readonly status: 'enabled';
  rules: Rules;
  /** Ids of those behind it. */
  instances: readonly number[] & number[];
}

const NONE = { cpu: 0, io: 0, network_in: 0, network_out: 0, transfer_quota: 0 };

export function shownInstance({ id, label, region, type, image, tags, userData }: Instance, running = false) {
  return {
    ...{ id, label, region, type, image, tags, group: '', watchdog_enabled: true, has_user_data: userData !== '' },
    status: running ? 'running' : 'provisioning',
    ipv4: [`192.0.2.${id % 250}`],
    ipv6: `2001:db8::${(id % 0xffff).toString(16)}/128`,
    specs: { disk: 25_600, memory: 1024, vcpus: 1, transfer: 1000, gpus: 0, accelerated_devices: 0 },
    alerts: { ...NONE, cpu: 90, io: 10_000, network_in: 10, network_out: 10, transfer_quota: 80 },
    backups: { enabled: false, available: false, schedule: { day: null, window: null }, last_successful: null },
    ...{ hypervisor: 'kvm', host_uuid: 'c0ffee', disk_encryption: 'enabled', lke_cluster_id: null },
    ...{ capabilities: [], placement_group: null, interface_generation: 'legacy_config' },
    ...{ created: '2026-05-04T00:00:00', updated: '2026-05-04T00:00:00' },
  };
}

export function error(status: number, reason: string): Given {
  return { status, body: { errors: [{ reason }] } };
}

export function pageOf(all: readonly object[], query: URLSearchParams): Given {
  const [page, size] = [Number(query.get('page') ?? 1), Number(query.get('page_size') ?? 100)];
  if (size < 25 || size > 500) return error(400, 'Must be 25-500');
  const pages = Math.max(1, Math.ceil(all.length / size));
  const data = all.slice((page - 1) * size, page * size);
  return { status: 200, body: { data, page, pages, results: all.length } };
}
