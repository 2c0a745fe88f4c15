#!/usr/bin/env bash
# Shows what Aeon does with text of this machine: remember, recall, trace, survive a kill.
# Usage: examples/demo.sh PATH-OF-AEON
set -euo pipefail

aeon=$(realpath "${1:-build/release/aeon}")
house=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
work=$(mktemp -d)
writer=
cleanup() {
  [ -z "$writer" ] || kill -KILL "$writer" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
say() { printf '\n== %s\n' "$*"; }
stop() {
  printf 'demo: %s\n' "$*" >&2
  exit 1
}
# The first number behind "NAME": in a JSON line on stdin.
number() { sed -n "s/.*\"$1\":\([0-9][0-9]*\).*/\1/p" | head -n 1; }

# Documents of the machine where it has enough of them, else those of the house itself.
gather() {
  mkdir "$work/documents"
  local file count=0
  while read -r file; do
    cp -L "$file" "$work/documents/$(echo "${file#/usr/share/doc/}" | tr / _).txt" || continue
    count=$((count + 1))
  done < <(find -L /usr/share/doc -type f -size +1k -size -400k \
    \( -name '*.md' -o -name '*.txt' -o -name 'README*' -o -name copyright \) \
    ! -name '*.gz' 2>/dev/null | sort | head -n 150)
  if [ "$(du -sk "$work/documents" | cut -f1)" -ge 200 ]; then
    source="$count files of /usr/share/doc"
    return
  fi
  find "$house" -path "$house/build" -prune -o -type f \
    \( -name '*.md' -o -name '*.hpp' -o -name LICENSE \) -print | sort |
    while read -r file; do
      cp "$file" "$work/documents/$(echo "${file#"$house"/}" | tr / _).txt"
    done
  source="this house's own text (/usr/share/doc holds too little)"
}

say "a palace, and what it remembers"
gather
cd "$work"
"$aeon" init palace
echo "from $source"
"$aeon" put palace --text documents
"$aeon" stat palace

say "five questions, with the time each recall took"
for question in \
  "may I redistribute modified copies of the source code" \
  "the software is provided without warranty of any kind" \
  "how do I report a bug" \
  "who holds the copyright" \
  "how to build and install this from source"; do
  printf '\n> %s\n' "$question"
  "$aeon" recall palace --text "$question" -k 2 || [ $? -eq 1 ]
done

say "a passage on the line of its document"
first=$("$aeon" recall palace --text "conditions of the license" -k 1 --json |
  sed -n 's/.*"memory":{"id":\([0-9]*\).*/\1/p' | head -n 1)
[ -n "$first" ] || stop "nothing was recalled"
"$aeon" trace palace "$first" --back 2 --forward 2

say "a writer killed in the middle"
mkfifo "$work/lines"
awk 'BEGIN { for (i = 0; i < 2000000; i++)
  printf "{\"text\":\"note %d of a writer that will be killed\",\"session\":\"load\"}\n", i }' \
  >"$work/lines" 2>/dev/null &
source_of_lines=$!
"$aeon" put palace --jsonl "$work/lines" --ack --durability sync --batch 8 >"$work/acks" &
writer=$!
for _ in $(seq 100); do
  [ "$(wc -l <"$work/acks")" -lt 2000 ] || break
  sleep 0.1
done
kill -KILL "$writer" || stop "the writer ended before it could be killed"
wait "$writer" 2>/dev/null || true
kill "$source_of_lines" 2>/dev/null || true
wait "$source_of_lines" 2>/dev/null || true
writer=
# The last line may have been cut by the kill: only whole lines are acknowledgements.
grep -E '^\{"id":[0-9]+,"commit":[0-9]+\}$' "$work/acks" >"$work/whole" || true
acknowledged=$(wc -l <"$work/whole")
echo "SIGKILL after $acknowledged acknowledged memories"
[ "$acknowledged" -gt 0 ] || stop "nothing was acknowledged within 10 s"

say "reopened"
"$aeon" stat palace
"$aeon" verify palace
sed 's/^{"id":\([0-9]*\),.*/\1/' "$work/whole" | xargs -n 500 "$aeon" get palace --json >"$work/got" ||
  stop "an acknowledged memory is missing"
found=$(grep -c '"session":"load"' "$work/got" || true)
echo "$acknowledged acknowledged, $found found again by their ids"
[ "$found" -eq "$acknowledged" ] || stop "$((acknowledged - found)) acknowledged memories are missing"
stored=$("$aeon" stat palace --json | number memories)
echo "all acknowledged memories are there; the palace holds $stored memories in all"
