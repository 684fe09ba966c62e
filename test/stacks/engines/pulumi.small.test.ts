import { small } from './conformance/small.ts';
import { PULUMI_WITHIN, withPulumi } from './pulumi.support.ts';

withPulumi('the Pulumi engine, a real machine and real DNS', () => small('pulumi', '127.81.2.0/24', PULUMI_WITHIN));
