#!/usr/bin/env bash
# Makes the packages: .deb and .rpm with the desktop app, the command, manual pages, completions, a desktop entry that
# opens `belay://` links, and licences; and a tarball with the same files. They end up in the folder `bundle` of the target
# directory.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$HOME/.cache/belay/target}
out="$target/bundle"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
rm -rf "$out"
mkdir -p "$out/files"

cargo build --release --locked --package belay-terminal --package belay-desktop
belay="$target/release/belay"
desktop="$target/release/belay-desktop"
"$belay" manual "$out/files/man"
gzip -9 -n "$out/files/man"/*.1
for shell in bash zsh fish; do "$belay" completions "$shell" >"$out/files/belay.$shell"; done

# Whoever passes the programs on passes on the licences of what is in them, in the words of the crates themselves.
scripts/tools.sh bundle
printf 'reading the licences of the crates\n'
cargo about -L error generate --offline --locked --workspace --config scripts/licences.toml scripts/licences.hbs |
  gzip -9 -n >"$out/files/crates.md.gz"
gzip -9 -n --stdout ui/dist/licences.md >"$out/files/user-interface.md.gz"

# The oldest libraries that the programs run with, in the words of either package format.
needs="$out/files/needs"
mkdir -p "$needs/debian/belay/DEBIAN"
printf 'Source: belay\n' >"$needs/debian/control"
ln "$belay" "$desktop" "$needs/debian/belay/"
deb_needs=$(cd "$needs" && dpkg-shlibdeps -O debian/belay/belay debian/belay/belay-desktop | sed -n 's/^shlibs:Depends=//p')
glibc=$(readelf --version-info "$belay" "$desktop" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)

# What packages hold beside the desktop app: where it is installed, and where it lies now.
node - "$out" "$belay" "$PWD" "$deb_needs" "libc.so.6($glibc)(64bit)" >"$out/files.json" <<'JS'
const { readdirSync } = require('node:fs');
const [out, belay, root, debNeeds, libc] = process.argv.slice(2);
const files = {
  '/usr/bin/belay': belay,
  '/usr/share/bash-completion/completions/belay': `${out}/files/belay.bash`,
  '/usr/share/fish/vendor_completions.d/belay.fish': `${out}/files/belay.fish`,
  '/usr/share/doc/belay/LICENSE-MIT': `${root}/LICENSE-MIT`,
  '/usr/share/doc/belay/LICENSE-APACHE': `${root}/LICENSE-APACHE`,
  '/usr/share/doc/belay/crates-licences.md.gz': `${out}/files/crates.md.gz`,
  '/usr/share/doc/belay/user-interface-licences.md.gz': `${out}/files/user-interface.md.gz`,
};
for (const page of readdirSync(`${out}/files/man`)) files[`/usr/share/man/man1/${page}`] = `${out}/files/man/${page}`;
const zsh = `${out}/files/belay.zsh`;
const desktopTemplate = `${root}/src-tauri/belay.desktop`;
const linux = {
  deb: {
    desktopTemplate,
    depends: debNeeds.split(', '),
    section: 'admin',
    recommends: ['bash-completion', 'xdg-utils'],
    files: {
      ...files,
      '/usr/share/zsh/vendor-completions/_belay': zsh,
      '/usr/share/doc/belay/copyright': `${root}/src-tauri/copyright`,
    },
  },
  rpm: { desktopTemplate, depends: [libc], files: { ...files, '/usr/share/zsh/site-functions/_belay': zsh } },
};
console.log(JSON.stringify({ bundle: { linux } }));
JS

# The programs are built; what is left is to pack them.
(cd src-tauri && ../ui/node_modules/.bin/tauri bundle --bundles deb,rpm --config "$out/files.json")
cp "$target"/release/bundle/deb/*.deb "$target"/release/bundle/rpm/*.rpm "$out/"

# The tarball holds what a prefix holds, so that it can be unpacked over `/usr/local` or `~/.local`.
root="$out/belay-$version"
mkdir -p "$out/files/unpacked"
dpkg-deb --extract "$out"/*.deb "$out/files/unpacked"
mv "$out/files/unpacked/usr" "$root"
mv "$root/share/zsh/vendor-completions" "$root/share/zsh/site-functions"
tar --create --gzip --owner=0 --group=0 --file "$out/belay-$version-$(uname -m)-linux.tar.gz" --directory "$out" "belay-$version"
rm -rf "$root" "$out/files" "$out/files.json"
printf '\npackages in %s:\n' "$out"
ls -1sh "$out"
