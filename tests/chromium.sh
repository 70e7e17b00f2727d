#!/usr/bin/env bash
# Prints the path of a Chromium; installs one through the system's package manager where none is found.
set -euo pipefail
find_chromium() {
  if [ -n "${CHROMIUM:-}" ]; then printf '%s\n' "$CHROMIUM"; return 0; fi
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name"; then return 0; fi
  done
  return 1
}
if find_chromium; then exit 0; fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "No Chromium found. Install one, or name it in CHROMIUM." >&2; exit 1; }
  as_root=(sudo)
fi
command -v apt-get >/dev/null || { echo "No Chromium found. Install one, or name it in CHROMIUM." >&2; exit 1; }
"${as_root[@]}" apt-get update >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium >&2
find_chromium
