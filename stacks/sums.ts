/**
 * What the archives of Pulumi's releases hash to (SHA-256), by file: whoever changes one on a server is refused here, whatever
 * a list beside it says. A version that is raised in packages.ts or pulumi.find.ts needs its lines here; a test asks for them.
 *
 * Read on 2026-11-21: the plugins' in nixpkgs (pkgs/by-name/pu/pulumi-bin/data.nix, of 3.267.0, and of 3.221.0 for Linode's),
 * whose builds hold the same archives against them; the CLI's in a public project that pins 3.253.0. Nixpkgs has no Intel
 * Macs any more, and nobody the CLI of 3.253.0 for any Mac: for these the maker's own list counts.
 */
export const SUMS: Readonly<Record<string, string>> = {
  'pulumi-v3.253.0-linux-x64.tar.gz': '33161e521280e6c77395a46344dba5ff9c118a90df254801e662087143b4d1ac',
  'pulumi-v3.253.0-linux-arm64.tar.gz': '7d7074d67a76139226c163b2365f14fbd45d8e2251362a2e10dc4602b3b577ea',
  'pulumi-resource-aws-v7.48.0-linux-amd64.tar.gz': 'c3bb08298432f3e51d06e6b0aa2ec055b2fdd1b6e8bb26d02a646aea0e00115c',
  'pulumi-resource-aws-v7.48.0-linux-arm64.tar.gz': '29d06df3c2ff6a56b8b048d93bfe9e36d6a9719f5f741d57968a6d24ebb2acfd',
  'pulumi-resource-aws-v7.48.0-darwin-arm64.tar.gz': 'feb46c695a128f2380170b75ba3af893ef61cb40e9d6fced5eca2624e63ee678',
  'pulumi-resource-digitalocean-v4.81.0-linux-amd64.tar.gz':
    'b63b8f9f03282a8dfc2e32d3c7f8a52f3b7319762a17a19285ffcf715a6375d2',
  'pulumi-resource-digitalocean-v4.81.0-linux-arm64.tar.gz':
    '2070799c29a83e9deb156327dbcdbee935e660cf16ad794d6a06e92818a868da',
  'pulumi-resource-digitalocean-v4.81.0-darwin-arm64.tar.gz':
    'f415cc550713bf52bce9a272e9ab24b9cbbf7615b5d67d2673007446a2872f2a',
  'pulumi-resource-linode-v5.7.0-linux-amd64.tar.gz':
    '14b8753454b211b90dc50746a7fa4ad111c882d108e914d65e730d0424f1c6d4',
  'pulumi-resource-linode-v5.7.0-linux-arm64.tar.gz':
    '04a2dc10f08c3dcb57d463f14b43aa1da23ad8d8e61a6956729e941795279709',
  'pulumi-resource-linode-v5.7.0-darwin-amd64.tar.gz':
    '5503545e381347ed7e317651ecb2cc137e49f5f9c8eaaab7ac69aeb3563274b4',
  'pulumi-resource-linode-v5.7.0-darwin-arm64.tar.gz':
    '2d607bbcf1b2e6c54279603531a0a6cb19089fe346933aa6066768a9858715ed',
};
