import { failures } from './conformance/failures.ts';
import { PULUMI_WITHIN, withPulumi } from './pulumi.support.ts';

withPulumi('the Pulumi engine, failures', () => failures('pulumi', PULUMI_WITHIN));
