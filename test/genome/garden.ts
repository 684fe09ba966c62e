/** A genome without findings, and what the tests do to it. */
import { parseDocument } from 'yaml';
import type { Finding } from '../../genome/finding.ts';
import { parseGenome } from '../../genome/parse.ts';
import type { Genome } from '../../genome/schema.ts';

export const GARDEN = `organism: garden
zone: garden.example.org
body: { maxCells: 4, maxMonthlyCost: 120 USD, heartbeat: 60s }
healing: { suspectAfter: 3m, deadAfter: 15m, aloneAfter: 30m, maxUnhealthy: 40% }
clouds:
  near: { provider: local, monthly: 5 USD }
dns: { provider: local, ttl: 5s }
functions:
  web:
    run: node server.js
    port: 7001
    domain: www.garden.example.org
    health: { http: /health, every: 5s, timeout: 2s, within: 30s }
    pressure:
      requests: { http: /metrics, path: $.rps, bounds: [5, 100] }
      cpu: { bounds: [5%, 80%] }
    throttle: { run: ./throttle, relax: ./relax }
    divide: delegate
    needs: { db: shared }
  db:
    run: node db.js
    port: 7002
    data: [./data]
    health: { command: ./check }
`;

/** The garden with a part of its text replaced; the part must be there. */
export function gardenWith(part: string, replacement: string): string {
  if (!GARDEN.includes(part)) throw new Error(`the garden has no ${part}`);
  return GARDEN.replace(part, () => replacement);
}

/** The garden with new values by path (`functions.web.port`); undefined removes what is there. */
export function gardenAfter(changes: Readonly<Record<string, unknown>>): string {
  const document = parseDocument(GARDEN);
  for (const [path, value] of Object.entries(changes)) {
    if (value === undefined) document.deleteIn(path.split('.'));
    else document.setIn(path.split('.'), value);
  }
  return document.toString();
}

export function findingsIn(text: string): readonly Finding[] {
  return parseGenome(text, 'genome.yaml').findings;
}

export function gardenGenome(text = GARDEN): Genome {
  const { genome, findings } = parseGenome(text, 'genome.yaml');
  if (genome === null) throw new Error(findings.map((finding) => `${finding.line}: ${finding.message}`).join('\n'));
  return genome;
}

/** A genome of many functions, each with everything a function usually has. */
export function bigGenome(functions: number): string {
  const genes = Array.from(
    { length: functions },
    (_, index) => `  f${index}:
    run: node server.js --port $PORT
    domain: f${index}.big.test
    port: ${10_000 + index}
    health: { http: /health, every: 5s }
    data: [./data]
    env:
      GREETING: hello
      WORKERS: 5
    pressure:
      requests: { http: /metrics, path: $.rps, bounds: [5, 100] }
      cpu: { bounds: [5%, 80%] }
    throttle: { run: ./throttle, relax: ./relax }
    divide: replicate
    needs: ${index + 1 < functions ? `{ f${index + 1}: shared }` : '{}'}
    link: { up: ./up, down: ./down }
`,
  );
  return `organism: big
zone: big.test
body: { maxCells: 1000 }
clouds: { here: { provider: local } }
dns: { provider: local }
functions:
${genes.join('')}`;
}
