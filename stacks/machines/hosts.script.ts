/**
 * What is done on a machine that its owner lends, as one script for its own /bin/sh: the machine may be as bare as it
 * likes, and nothing of it runs there afterwards.
 *
 *   look     HOSTKEY                                   who has it, or whether it could be had; changes nothing
 *   claim    ORGANISM BIRTH PARENT LEASE KEY HOSTKEY   takes it, or finds that it has it already; lets KEY in as root
 *   tag      ORGANISM BIRTH PARENT LEASE               another parent
 *   release  ORGANISM BIRTH                            gives it back as it was found
 *
 * The last line that begins with `cell-claim:` is the answer. All but `look` hold a lock of the kernel's (flock), which goes
 * with the process that has it: so a release, which takes several steps, is never at work while somebody claims. The claim
 * itself is a file that appears whole or not at all (link), and goes last. Cut off anywhere, the same call goes on.
 *
 * A claim carries a lease, which bounds it while it is unfinished: until the machine has become the cell it was claimed
 * for (/var/lib/cell/cell.json names the birth). It is renewed by each call of its own and by each look of an imprint
 * (effects/artefacts.ts); the time is that of the file, by the machine's own clock. Whoever comes after it cleans up and
 * takes over.
 */
import { KEYS_BEGIN, KEYS_END } from '../../src/effects/claim.ts';
import { leavings } from '../../src/effects/leavings.ts';
import { shellQuote } from '../../src/effects/quote.ts';
import { layout } from '../../src/layout.ts';

const HERE = layout('');
const LEAVINGS = leavings();
/** Patterns of the shell, for `case`. */
const either = (patterns: readonly string[]) => patterns.join(' | ');

const BODY = String.raw`
umask 077
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
exec </dev/null
R=$CELL_ROOT
op=$1
case $op in
look) host=$2 ;;
*) organism=$2 birth=$3 parent=$4 lease=$5 key=$6 host=$7 ;;
esac
folder=$R/var/lib/cell-claim claim=$R/var/lib/cell-claim/claim home=$R/var/lib/cell
ssh=$R/root/.ssh keys=$R/root/.ssh/authorized_keys

answer() { echo "cell-claim: $*"; exit 0; }
fail() { echo "cell-claim: failed $*"; exit 1; }
field() { sed -n "/^$1=/{s/^[^=]*=//p;q;}" "$claim"; }
mine() { [ "$(field organism)" = "$organism" ] && [ "$(field birth)" = "$birth" ]; }
finished() { grep -qs "\"birth\":\"$(field birth)\"" "$home/cell.json"; }
flush() { sync "$1" 2>/dev/null || sync; }

state() {
  if [ -e "$folder/releasing" ]; then echo releasing
  elif finished; then echo living
  elif [ $(($(date +%s) - $(stat -c %Y "$claim"))) -ge "$(($(field lease) + 0))" ]; then echo expired
  else echo claimed
  fi
}

held() { answer "held $(state) $(field organism) $(field birth) $(field parent) root=$R"; }

# What a cell would leave and is there already: it could not be told from the owner's when the machine is given back. And
# what a cell needs of a machine that it did not choose.
blank() {
  if [ -f "$home/organism.json" ]; then
    answer "cell $(sed -n 's/.*"organism":"\([a-z0-9-]*\)".*/\1/p' "$home/organism.json")"
  fi
  for path in @paths; do
    if [ -d "$path" ] && [ ! -h "$path" ] && [ -z "$(ls -A "$path" 2>&1)" ]; then continue; fi
    if [ -e "$path" ] || [ -h "$path" ]; then answer "lacks blank $path"; fi
  done
  unit=$(units | head -n 1)
  if [ -n "$unit" ]; then answer "lacks blank $unit"; fi
  name=$(users | head -n 1)
  if [ -n "$name" ]; then answer "lacks blank user:$name"; fi
  if ! command -v flock >/dev/null; then answer 'lacks flock'; fi
  if [ -h "$ssh" ] || [ -h "$keys" ]; then answer 'lacks keys'; fi
  public=$({ cat "$R@hostKey.pub" || ssh-keygen -y -f "$R@hostKey"; } 2>/dev/null | cut -d ' ' -f 1,2)
  if [ -n "$host" ] && [ "$public" != "$host" ]; then answer 'lacks hostkey'; fi
  [ -f "$R/etc/ssh/sshd_config" ] || return 0
  says=$(sshd -T -f "$R/etc/ssh/sshd_config" -C user=root,host=cell,addr=127.0.0.1 2>/dev/null | tr A-Z a-z)
  case $says in *'permitrootlogin no'* | *'permitrootlogin forced-commands-only'*) answer 'lacks root' ;; esac
  case $says in '' | *'authorizedkeysfile '*.ssh/authorized_keys*) ;; *) answer 'lacks keys' ;; esac
}

# A folder that is a machine (CELL_ROOT) has no users, no packet filter and no containers of its own.
users() {
  [ -z "$R" ] || return 0
  cut -d : -f 1 /etc/passwd /etc/group | sort -u | while read -r name; do
    case $name in @users) echo "$name" ;; esac
  done
}

lock() {
  mkdir -p "$R/run" && exec 9>"$R/run/cell-claim.lock" || fail 'no lock'
  flock -w 100 9 || fail 'busy'
}

# $1: what else the claim says. Whole or not at all: a claim cut short would have no owner.
write() {
  # It may be the claim itself, under its other name.
  rm -f "$folder/new"
  printf 'v=1\norganism=%s\nbirth=%s\nparent=%s\nlease=%s\n%s\n' "$organism" "$birth" "$parent" "$lease" "$1" \
    >"$folder/new" || fail 'its disk takes no file'
  flush "$folder/new"
}

rewrite() {
  write "$(sed -n '/^found-/p' "$claim")"
  mv -f "$folder/new" "$claim" || fail 'its disk takes no file'
}

# The owner's lines as they are. A begin without an end is only a line.
owners() {
  [ -f "$keys" ] || return 0
  if grep -Fxqe '@end' "$keys"; then sed '/^@begin$/,/^@end$/d' "$keys"; else sed '/^@begin$/d' "$keys"; fi
}

# Puts what it reads in the place of authorized_keys, with the mode and the owner that it had.
keep() {
  rm -f "$keys.cell"
  if [ -f "$keys" ]; then cp -p "$keys" "$keys.cell" || fail 'its disk takes no file'; fi
  cat >"$keys.cell" || fail 'its disk takes no file'
  flush "$keys.cell"
  mv -f "$keys.cell" "$keys" || fail 'its keys cannot be written'
}

letin() {
  finished && return 0
  mkdir -p "$ssh" || fail 'its keys cannot be written'
  { printf '%s\n' '@begin' "$key imprint" '@end'; owners; } | keep || exit 1
}

shutout() {
  if [ -f "$keys" ] && grep -Fxqe '@begin' "$keys"; then owners | keep || exit 1; fi
  rm -f "$keys.cell"
  if [ "$(field found-keys)" = no ] && [ -f "$keys" ] && [ ! -s "$keys" ]; then rm -f "$keys"; fi
  if [ "$(field found-ssh)" = no ] && [ -d "$ssh" ]; then rmdir "$ssh" 2>/dev/null; fi
  return 0
}

# Those that are files here. One that came with the machine, whatever its name, is its owner's.
units() {
  for path in @unitFolder /run/systemd/system /run/systemd/transient; do
    ls "$R$path" 2>/dev/null
  done | sort -u | while read -r name; do
    case $name in @units) echo "$name" ;; esac
  done
}

# What runs out of the cell's own folders, or as one of its users. This script names the folders too, but not as its
# first two words.
processes() {
  for name in $(users); do
    stat -c '%U %n' /proc/[0-9]* | sed -n "s,^$name /proc/,,p"
  done 2>/dev/null
  grep -lzFe "$R/opt/cell/" /proc/[0-9]*/cmdline 2>/dev/null | while read -r process; do
    if tr '\0' '\n' 2>/dev/null <"$process" | head -n 2 | grep -Fqe "$R/opt/cell/"; then echo "$process"; fi
  done | cut -d / -f 3
}

# Containers of functions, and their images: those stay where podman had been used before, as packages do, for nobody
# could tell whose they are. podman is not even asked where it has none of the cell's: it would leave files of its own.
containers() {
  [ -z "$R" ] && grep -qs '"cell-fn-' @storage/overlay-containers/*.json || return 0
  podman ps --all --format '{{.Names}}' 2>/dev/null | while read -r name; do
    case $name in @containers) echo "$name" ;; esac
  done
}

images() {
  if [ -n "$R" ] || [ ! -d @storage/overlay ] || ! grep -Fxqe found-containers=no "$claim"; then return 0; fi
  umount -q @storage/overlay
  if [ -d @storage ]; then find @storage -mindepth 1 -maxdepth 1 ! -name tmp -exec rm -rf {} +; fi
  rm -rf @storage/../cache
  [ ! -d @storage/overlay ] || fail 'the images of containers cannot be removed'
}

# First what would start it again, the heartbeat before all; then what runs; then what it was started from. Links are
# removed as such: systemctl itself would take an emptied folder with them, which may have been there.
clean() {
  : >"$folder/releasing"
  rm -f "$R@cronFile"
  all=$(units)
  for unit in $all; do rm -f "$R@unitFolder"/*.wants/"$unit" "$R@unitFolder"/*.requires/"$unit"; done
  timers=$(units | grep '\.timer$')
  [ -z "$timers" ] || systemctl stop $timers >/dev/null 2>&1
  [ -z "$all" ] || systemctl stop $all >/dev/null 2>&1
  for name in $(containers); do podman rm --force --time 5 "$name" >/dev/null 2>&1; done
  images
  for pid in $(processes); do kill -KILL "$pid" 2>/dev/null; done
  for unit in $all; do
    ! systemctl is-active --quiet "$unit" 2>/dev/null || fail "$unit cannot be stopped"
  done
  for unit in $all; do
    for path in "$R@unitFolder" "$R/run/systemd/system"; do rm -rf "$path/$unit" "$path/$unit.d"; done
  done
  if [ -z "$R" ] && command -v nft >/dev/null; then
    for table in @tables; do
      ! nft list table $table >/dev/null 2>&1 || nft delete table $table || fail "the table $table cannot be removed"
    done
  fi
  # Its own way goes first, so that whoever gives the machine back stays connected, and the owner's way is there again.
  rm -f "$R@sshdFile"
  systemctl reload ssh >/dev/null 2>&1 || systemctl reload sshd >/dev/null 2>&1
  for path in @paths; do
    rm -rf "$path"
    above=$(dirname "$path")
    if grep -Fxqe "found-no=$above" "$claim" && [ -d "$above" ]; then rmdir "$above" 2>/dev/null; fi
  done
  for path in "$R@unitFolder"/*.wants "$R@unitFolder"/*.requires; do
    grep -Fxqe "found-folder=$path" "$claim" || rmdir "$path" 2>/dev/null
  done
  sed -n 's/^found-folder=//p' "$claim" | while read -r path; do [ -d "$path" ] || mkdir -m 755 "$path"; done
  systemctl daemon-reload >/dev/null 2>&1
  [ -z "$all" ] || systemctl reset-failed $all >/dev/null 2>&1
  for unit in @aside; do
    if grep -Fxqe "found-active=$unit" "$claim"; then systemctl start "$unit" >/dev/null 2>&1; fi
  done
  for name in $(users); do
    if grep -q "^$name:" /etc/passwd; then userdel "$name" >/dev/null 2>&1 || userdel -f "$name" >/dev/null 2>&1; fi
    if grep -q "^$name:" /etc/group; then groupdel "$name" >/dev/null 2>&1; fi
  done
  for path in @paths; do
    if grep -Fxqe "found-folder=$path" "$claim"; then continue; fi
    if [ -e "$path" ] || [ -h "$path" ]; then fail "$path cannot be removed"; fi
  done
  [ -z "$(units)" ] || fail "the unit $(units | head -n 1) cannot be removed"
  [ -z "$(users)" ] || fail "the user $(users | head -n 1) cannot be removed"
  shutout
}

found() {
  [ -d "$ssh" ] || echo found-ssh=no
  [ -f "$keys" ] || echo found-keys=no
  [ -d "$R@storage/overlay" ] || echo found-containers=no
  for path in @paths; do
    [ ! -d "$path" ] || echo "found-folder=$path"
    [ -d "$(dirname "$path")" ] || echo "found-no=$(dirname "$path")"
  done
  for path in "$R@unitFolder"/*.wants "$R@unitFolder"/*.requires; do
    [ ! -d "$path" ] || echo "found-folder=$path"
  done
  for unit in @aside; do ! systemctl is-active --quiet "$unit" 2>/dev/null || echo "found-active=$unit"; done
}

case $op in
look)
  if [ -f "$claim" ]; then held; fi
  blank
  answer free
  ;;
claim)
  lock
  if [ -f "$claim" ]; then
    if [ -e "$folder/releasing" ]; then clean && rm -f "$claim"
    elif mine; then rewrite && letin && answer "claimed root=$R"
    elif [ "$(state)" = expired ]; then clean && rm -f "$claim"
    else held
    fi
  fi
  [ ! -f "$claim" ] || fail 'an old claim cannot be removed'
  rm -rf "$folder"
  blank
  mkdir -p "$folder" || fail 'its disk takes no file'
  write "$(found)"
  ln "$folder/new" "$claim" || held
  rm -f "$folder/new"
  letin
  answer "claimed root=$R"
  ;;
tag)
  lock
  if [ ! -f "$claim" ] || ! mine; then answer gone; fi
  rewrite
  answer "claimed root=$R"
  ;;
release)
  lock
  # What a release that was cut off at its very end, or a claim at its very beginning, left behind.
  [ -f "$claim" ] || rm -rf "$folder"
  if [ ! -f "$claim" ] || ! mine; then answer gone; fi
  clean
  rm -f "$claim" && rm -rf "$folder" || fail 'the claim cannot be removed'
  answer released
  ;;
esac
`;

const PLACES: Readonly<Record<string, string>> = {
  paths: LEAVINGS.paths.map((path) => `"$R"${path}`).join(' '),
  unitFolder: LEAVINGS.unitFolder,
  units: either(LEAVINGS.units),
  users: either(LEAVINGS.users),
  containers: LEAVINGS.containers,
  storage: LEAVINGS.storage,
  aside: LEAVINGS.aside.join(' '),
  tables: LEAVINGS.tables.map(shellQuote).join(' '),
  hostKey: HERE.hostKey,
  cronFile: HERE.cronFile,
  sshdFile: HERE.sshdFile,
  begin: KEYS_BEGIN,
  end: KEYS_END,
};

/** The script, the same for every call. */
export const SCRIPT = BODY.replace(/@([a-zA-Z]+)/g, (_all, name: string) => {
  const text = PLACES[name];
  if (text === undefined) throw new Error(`the script names @${name}, which nothing stands for`);
  return text;
});

/** The command line that runs it: one argument of a shell each, so that nothing in them is read as anything else. */
export function scriptLine(...args: readonly string[]): string {
  return ['sh', '-c', SCRIPT, 'cell-claim', ...args].map(shellQuote).join(' ');
}
