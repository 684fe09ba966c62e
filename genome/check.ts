/**
 * Cross-field checks: what a schema cannot see because it takes two fields to be wrong. Pure; each check is a function
 * of the genome that reports complaints by path, and parse.ts finds the places in the text.
 */
import { checkBounds } from './checks/bounds.ts';
import { checkBudget } from './checks/budget.ts';
import type { Complaint } from './checks/complaint.ts';
import { checkDns } from './checks/dns.ts';
import { checkFunctions } from './checks/functions.ts';
import { checkHosts } from './checks/hosts.ts';
import { checkMachines } from './checks/machines.ts';
import { checkPlacement } from './checks/placement.ts';
import { checkPlaces } from './checks/places.ts';
import { checkPrograms } from './checks/programs.ts';
import { checkReferences } from './checks/references.ts';
import { checkSizes } from './checks/sizes.ts';
import { checkTimers } from './checks/timers.ts';
import type { Genome } from './schema.ts';

const CHECKS = [
  checkFunctions,
  checkPrograms,
  checkBounds,
  checkReferences,
  checkPlaces,
  checkPlacement,
  checkDns,
  checkMachines,
  checkHosts,
  checkSizes,
  checkBudget,
  checkTimers,
];

export function checkGenome(genome: Genome): readonly Complaint[] {
  const complaints: Complaint[] = [];
  for (const check of CHECKS) check(genome, (complaint) => complaints.push(complaint));
  return complaints;
}
