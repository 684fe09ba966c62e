/** The plugins of Pulumi's packages that a call of the CLI starts: it finds them on its PATH, whichever way they came here. */
import { dirname } from 'node:path';
import { CellError } from '../../src/errors.ts';
import { toolOf } from '../tools.ts';
import type { Provider } from './pulumi.credentials.ts';
import { findTool } from './pulumi.find.ts';

/** Their folders, in the order of the providers. Throws ENGINE_MISSING where one is not here. */
export function pluginFolders(providers: readonly Provider[], env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const folders = providers.map(({ type }) => {
    const { file, version } = toolOf(type.split(':')[2] as 'aws');
    const found = findTool(file, version, env);
    if (found === null) throw missingPlugin(file, version);
    return dirname(found);
  });
  return [...new Set(folders)];
}

function missingPlugin(file: string, version: string): CellError {
  return new CellError('ENGINE_MISSING', `there is no plugin ${file}`, {
    why: 'it is not on PATH, did not come with the imprint, and was not fetched',
    suggestion: `Put ${file} ${version} on PATH; \`cell seed\` fetches it where it can.`,
    fields: { tool: file },
  });
}
