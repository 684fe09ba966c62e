/** The engines by name, each loaded when it is asked for: the Pulumi one brings half of gRPC along. */
import { existsSync } from 'node:fs';
import { registryOf } from '../handlers.ts';
import type { Bindings, EngineName, StackPlan } from '../stack.ts';
import type { Engine, EngineOptions, StackResult } from './engine.ts';
import { stackHome } from './home.ts';

export interface EngineSetup extends EngineOptions {
  /**
   * The file of a module that exports `handlers` (an array of ResourceHandler) in place of our own. Both engines
   * take it; the Pulumi one hands it to the plugin as CELL_HANDLERS.
   */
  readonly handlers?: string;
}

/**
 * As `Engine.preview`. What the Pulumi engine has made nothing of yet is previewed without it. Throws what that throws, and
 * ENGINE_MISSING where there is something to compare with and no CLI.
 */
export async function preview(plan: StackPlan, bindings: Bindings, setup: EngineSetup): Promise<StackResult> {
  if (plan.engine === 'pulumi' && !existsSync(stackHome(setup.home, plan.engine, plan.name).folder)) {
    return (await import('./fresh.ts')).previewFresh(plan, bindings);
  }
  return (await engine(plan.engine, setup)).preview(plan, bindings);
}

/** Throws CellError ENGINE_MISSING when the Pulumi engine finds no CLI it can use. */
export async function engine(name: EngineName, setup: EngineSetup): Promise<Engine> {
  const registry = await registryOf(setup.handlers);
  if (name === 'embedded') return new (await import('./embedded.ts')).EmbeddedEngine(setup, registry);
  return (await import('./pulumi.ts')).PulumiEngine.open(setup, registry);
}
