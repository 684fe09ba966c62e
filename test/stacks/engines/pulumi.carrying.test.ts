import { carrying } from './conformance/carrying.ts';
import { PULUMI_WITHIN, withPulumi } from './pulumi.support.ts';

withPulumi('the Pulumi engine, carrying', () => carrying('pulumi', PULUMI_WITHIN));
