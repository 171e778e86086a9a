#!/usr/bin/env bash
# Makes the packages: .deb and .rpm with the desktop app, the command, manual pages, completions and a desktop entry that
# opens `belay://` links, and a tarball with the same files. They end up in the folder `bundle` of the target directory.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$HOME/.cache/belay/target}
out="$target/bundle"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
rm -rf "$out"
mkdir -p "$out/files"

cargo build --release --locked --package belay-terminal --package belay-desktop
belay="$target/release/belay"
"$belay" manual "$out/files/man"
gzip -9 -n "$out/files/man"/*.1
for shell in bash zsh fish; do "$belay" completions "$shell" >"$out/files/belay.$shell"; done

# What packages hold beside the desktop app: where it is installed, and where it lies now.
node - "$out" "$belay" "$PWD" >"$out/files.json" <<'JS'
const { readdirSync } = require('node:fs');
const [out, belay, root] = process.argv.slice(2);
const files = {
  '/usr/bin/belay': belay,
  '/usr/share/bash-completion/completions/belay': `${out}/files/belay.bash`,
  '/usr/share/zsh/vendor-completions/_belay': `${out}/files/belay.zsh`,
  '/usr/share/fish/vendor_completions.d/belay.fish': `${out}/files/belay.fish`,
  '/usr/share/doc/belay/LICENSE-MIT': `${root}/LICENSE-MIT`,
  '/usr/share/doc/belay/LICENSE-APACHE': `${root}/LICENSE-APACHE`,
};
for (const page of readdirSync(`${out}/files/man`)) files[`/usr/share/man/man1/${page}`] = `${out}/files/man/${page}`;
const linux = { files, desktopTemplate: `${root}/src-tauri/belay.desktop` };
console.log(JSON.stringify({ bundle: { linux: { deb: linux, rpm: linux } } }));
JS

# The programs are built; what is left is to pack them.
(cd src-tauri && ../ui/node_modules/.bin/tauri bundle --bundles deb,rpm --config "$out/files.json")
cp "$target"/release/bundle/deb/*.deb "$target"/release/bundle/rpm/*.rpm "$out/"

# The tarball has the same layout below one folder, for systems without a package manager of these kinds.
root="$out/belay-$version"
mkdir -p "$root"
dpkg-deb --extract "$out"/*.deb "$root"
tar --create --gzip --file "$out/belay-$version-$(uname -m)-linux.tar.gz" --directory "$out" "belay-$version"
rm -rf "$root" "$out/files" "$out/files.json"
printf '\npackages in %s:\n' "$out"
ls -1sh "$out"
