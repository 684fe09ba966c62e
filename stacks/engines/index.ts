/** The engines by name, each loaded when it is asked for: the Pulumi one brings half of gRPC along. */
import { registryOf } from '../handlers.ts';
import type { EngineName } from '../stack.ts';
import type { Engine, EngineOptions } from './engine.ts';

export interface EngineSetup extends EngineOptions {
  /**
   * The file of a module that exports `handlers` (an array of ResourceHandler) in place of our own. Both engines
   * take it; the Pulumi one hands it to the plugin as CELL_HANDLERS.
   */
  readonly handlers?: string;
}

/** Throws CellError ENGINE_MISSING when the Pulumi engine finds no CLI it can use. */
export async function engine(name: EngineName, setup: EngineSetup): Promise<Engine> {
  const registry = await registryOf(setup.handlers);
  if (name === 'embedded') return new (await import('./embedded.ts')).EmbeddedEngine(setup, registry);
  return (await import('./pulumi.ts')).PulumiEngine.open(setup, registry);
}
