import { changes } from './conformance/changes.ts';
import { PULUMI_WITHIN, withPulumi } from './pulumi.support.ts';

withPulumi('the Pulumi engine, changes', () => changes('pulumi', PULUMI_WITHIN));
