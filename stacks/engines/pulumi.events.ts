/**
 * The CLI's stream of events as changes, and what it says of a failure.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { EngineEvent } from '@pulumi/pulumi/automation/index.js';
import { nameOf } from '../provider.ts';
import type { Change, Operation } from './engine.ts';
import { isOfProgram } from './pulumi.state.ts';

/** Pulumi's steps that are an operation of ours; a replacement is told once, when its successor is there. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  same: 'same',
  create: 'create',
  update: 'update',
  delete: 'delete',
  'create-replacement': 'replace',
};

export interface Failure {
  readonly resource: string | null;
  readonly message: string;
}

export class Events {
  readonly changes: Change[] = [];
  private readonly diffsFile: string;
  private readonly onChange: (change: Change) => void;
  private readonly preview: boolean;
  private readonly errors: Failure[] = [];

  constructor(diffsFile: string, preview: boolean, onChange: (change: Change) => void) {
    this.diffsFile = diffsFile;
    this.preview = preview;
    this.onChange = onChange;
  }

  /** For the Automation API's `onEvent`. */
  take(event: EngineEvent): void {
    const step = this.preview ? event.resourcePreEvent : event.resOutputsEvent;
    const diagnostic = event.diagnosticEvent;
    if (diagnostic?.severity === 'error' && !diagnostic.ephemeral) {
      // Errors of the stack itself only count those of its resources.
      const resource = diagnostic.urn === undefined || isStack(diagnostic.urn) ? null : nameOf(diagnostic.urn);
      this.errors.push({ resource, message: plain(diagnostic.message) });
    }
    if (step === undefined) return;
    const { op, urn, type, old, new: after } = step.metadata;
    const operation = OPERATIONS[op];
    const custom = (after ?? old)?.custom ?? false;
    if (operation === undefined || !isOfProgram({ type, custom })) return;
    const keys = operation === 'update' || operation === 'replace' ? this.keysOf(urn, step.metadata.diffs ?? []) : [];
    const change: Change = { operation, type, name: nameOf(urn), keys };
    this.changes.push(change);
    if (operation !== 'same' && !this.preview) this.onChange(change);
  }

  /** What went wrong first, with a resource where one is known. */
  failure(): Failure | null {
    return this.errors.find(({ resource }) => resource !== null) ?? this.errors[0] ?? null;
  }

  private keysOf(urn: string, diffs: readonly string[]): readonly string[] {
    if (!existsSync(this.diffsFile)) return diffs;
    const lines = readFileSync(this.diffsFile, 'utf8').split('\n').filter(Boolean);
    const noted = lines.map((line) => JSON.parse(line) as { urn: string; keys: readonly string[] });
    return noted.findLast((one) => one.urn === urn)?.keys ?? diffs;
  }
}

function isStack(urn: string): boolean {
  return urn.includes('::pulumi:pulumi:Stack::');
}

/**
 * Without the CLI's colour marks, `<{%reset%}>`, and the blank lines around; and without what makers' plugins say of
 * themselves: a place in their source before their words, `x.go:571: sdk.schema: `, and their version behind them.
 */
function plain(message: string): string {
  return message
    .replace(/<\{%.*?%\}>/g, '')
    .replace(/^[ \t]*[\w./-]+\.go:\d+: (?:sdk\.[\w.]+: )?/gm, '')
    .replace(/: provider=[\w-]+@[\w.+-]+[ \t]*$/gm, '')
    .trim();
}
