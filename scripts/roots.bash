# To be sourced: Debian's packages of another suite or architecture, unpacked into folders. Nothing
# is installed on this machine.

debian_key=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror of Debian that this machine's apt uses, or else Debian's own.
mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
    awk '!/^#/ { for (i = 1; i <= NF; i++) if ($i ~ /^https?:.*\/debian\/?$/ && !uri) uri = $i }
      END { print uri ? uri : "http://deb.debian.org/debian" }' || true
}

# unpack FOLDER SUITE ARCHITECTURE PACKAGE...
# Unpacks packages and all that they need into FOLDER/root. Returns 1 where they cannot be had.
unpack() {
  local state=$1/apt root=$1/root name package
  local apt=(
    apt-get -qq -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::State::Lists="$state/lists" -o Dir::State::status="$state/status"
    -o Dir::Cache="$state/cache" -o APT::Architecture="$3" -o APT::Architectures="$3"
    -o APT::Sandbox::User=root -o Debug::NoLocking=1
  )
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  touch "$state/status"
  echo "deb [signed-by=$debian_key arch=$3] $(mirror) $2 main" >"$state/sources.list"
  "${apt[@]}" update || return 1
  "${apt[@]}" install -y --no-install-recommends --download-only "${@:4}" >/dev/null || return 1
  rm -rf "$root"
  mkdir -p "$root"/usr/{lib,lib64,bin,sbin} "$root"/{proc,dev,tmp,src,arm}
  for name in lib lib64 bin sbin; do ln -s usr/$name "$root/$name"; done
  for package in "$state/cache/archives"/*.deb; do dpkg -x "$package" "$root"; done
  rm -rf "$state/cache"
}

# Debian sid's Swift for both architectures, in $1/amd64 to compile in and $1/arm64 to compile for.
swift_roots() {
  local arch
  [ ! -e "$1/complete" ] || return 0
  mkdir -p "$1"
  echo "Getting Debian sid's Swift: 1.4 GB to download, 7 GB in $1" >&2
  for arch in arm64 amd64; do
    unpack "$1/$arch" sid $arch swiftlang libc6-dev lld libxxhash-dev bash coreutils libc-bin ||
      return 1
  done
  touch "$1/complete"
}
