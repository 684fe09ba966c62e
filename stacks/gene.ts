/** A provider is handed the genes of the genome that name it, and nothing else. */

/** The gene as this provider's own. Another's is a mistake of the program. */
export function geneFor<Name extends string, Gene extends { readonly provider: string }>(
  provider: Name,
  gene: Gene,
): Extract<Gene, { readonly provider: Name }> {
  if (gene.provider !== provider) throw new Error(`the provider ${provider} was asked for ${gene.provider}`);
  return gene as Extract<Gene, { readonly provider: Name }>;
}
