#!/usr/bin/env bash
# Build the guestbook's images from Debian packages: no image registry is asked for anything.
#
#   examples/guestbook/images.sh            build what is missing or out of date
#   examples/guestbook/images.sh --force    build all again
#
# How: apt resolves and downloads the packages against an empty system, dpkg-deb unpacks them side by side (nothing is
# installed, no maintainer script runs), and only the programs, the libraries they load and our few files go into the
# images. An image carries the digest of what it was made from, so a second run finds it current and does nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
label=io.steersman.example
master=kubeguide/redis-master
slave=kubeguide/guestbook-redis-slave
frontend=kubeguide/guestbook-php-frontend
packages=(redis-server redis-tools busybox-static python3-minimal libpython3-stdlib)

say() { printf 'images: %s\n' "$*"; }
die() { printf 'images: error: %s\n' "$*" >&2; exit 1; }

for tool in docker apt-get dpkg-deb sha256sum; do
    command -v "$tool" >/dev/null || die "$tool is not installed; on Debian run scripts/setup-host first"
done
docker info >/dev/null 2>&1 || die "no Docker daemon answers; run scripts/setup-host first"

digest=$(cd "$here" && find images images.sh -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)

is_current() { # IMAGE: built from the very files that are here now?
    [[ $(docker image inspect --format "{{index .Config.Labels \"$label.digest\"}}" "$1" 2>/dev/null) == "$digest" ]]
}

if [[ ${1:-} != --force ]] && is_current "$master" && is_current "$slave" && is_current "$frontend"; then
    say "all three are present and current ($digest)"
    exit 0
fi
[[ $EUID == 0 ]] || die "building needs root (chroot)"

work=$(mktemp -d "${TMPDIR:-/tmp}/guestbook-images.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'printf "images: error: line %s failed: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR
stage=$work/stage
mkdir -p "$work/archives/partial" "$stage"
: >"$work/status"

fetch() { # all packages and what they depend on, as if nothing were installed
    apt-get install --yes --download-only --no-install-recommends \
        -o Dir::State::status="$work/status" -o Dir::Cache::archives="$work/archives" \
        -o Debug::NoLocking=1 -o APT::Sandbox::User=root "${packages[@]}" >"$work/apt.log" 2>&1
}
say "downloading Debian packages: ${packages[*]}"
if ! fetch; then
    say "refreshing the package lists first"
    apt-get update -qq || die "apt-get update failed; is a Debian mirror reachable?"
    fetch || { tail -n 15 "$work/apt.log" >&2; die "apt could not download the packages"; }
fi
say "unpacking $(find "$work/archives" -name '*.deb' | wc -l) packages"
for deb in "$work"/archives/*.deb; do
    case ${deb##*/} in perl*|libperl*|adduser*|passwd*) continue ;; esac # wanted by maintainer scripts only
    dpkg-deb --extract "$deb" "$stage"
done

shopt -s nullglob
loaders=("$stage"/lib64/ld-linux*.so* "$stage"/lib/ld-linux*.so* "$stage"/usr/lib64/ld-linux*.so* "$stage"/usr/lib/ld-linux*.so*)
shopt -u nullglob
((${#loaders[@]})) || die "the unpacked packages hold no dynamic loader"
loader=${loaders[0]#"$stage"}

in_stage() { # PATH: the file behind it, links followed as they are meant inside the stage
    local path=$1 target
    while target=$(readlink "$stage$path"); do
        case $target in /*) path=$target ;; *) path=${path%/*}/$target ;; esac
    done
    printf '%s' "$stage$path"
}
copy() { # ROOT PATH...: from the stage, each path with its parents, links kept
    local root=$1; shift
    (cd "$stage" && tar --create "${@#/}") | tar --extract --directory "$root"
}
copy_program() { # ROOT PROGRAM: with the loader and every library it loads
    local root=$1 program=$2 library
    copy "$root" "$program"
    mkdir -p "$root${loader%/*}"
    cp --dereference "$(in_stage "$loader")" "$root$loader"
    while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp "$(in_stage "$library")" "$root$library"
    done < <(chroot "$stage" "$loader" --list "$program" | grep -o ' /[^ ]*' | tr -d ' ' | sort -u)
}
start_root() { # ROOT: what every image holds: a shell for exec and debugging, names, places to write
    local root=$1 applet
    mkdir -p "$root"/{bin,etc,tmp,data,usr/bin,usr/sbin,sbin}
    chmod 1777 "$root/tmp"
    cp "$(find "$stage" -type f -name busybox -perm -u+x | head -n 1)" "$root/bin/busybox"
    for applet in sh ls cat ps env grep sleep wget nc nslookup hostname ip id head tail vi; do
        ln -s busybox "$root/bin/$applet"
    done
    echo 'root:x:0:0:root:/data:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
}
import() { # ROOT IMAGE PORT COMMAND(JSON)
    local before
    before=$(docker image inspect --format '{{.Id}}' "$2:latest" 2>/dev/null || true)
    tar --create --directory "$1" --numeric-owner --owner=0 --group=0 --sort=name . | docker import \
        --change "LABEL $label=guestbook $label.digest=$digest" --change "EXPOSE $3" --change "WORKDIR /data" \
        --change "ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" --change "CMD $4" - "$2:latest" >/dev/null
    say "built $2:latest ($(du -sh "$1" | cut -f1))"
    # The image this one replaces goes, unless a container still runs from it.
    if [[ -n $before ]]; then docker image rm "$before" >/dev/null 2>&1 || say "the replaced image ${before:7:12} is in use: kept"; fi
}

say "assembling the images"
redis=$work/redis
start_root "$redis"
copy_program "$redis" "/usr/bin/$(basename "$(readlink -f "$stage/usr/bin/redis-server")")"
copy "$redis" /usr/bin/redis-server
copy_program "$redis" /usr/bin/redis-cli
install -m 755 "$here/images/redis/redis-master" "$here/images/redis/redis-slave" "$redis/usr/bin/"
import "$redis" "$master" 6379 '["redis-master"]'
import "$redis" "$slave" 6379 '["redis-slave"]'

front=$work/frontend
start_root "$front"
python=/usr/bin/$(basename "$(readlink -f "$stage/usr/bin/python3")")
version=${python##*python}
copy_program "$front" "$python"
ln -sf "$(basename "$python")" "$front/usr/bin/python3"
mkdir -p "$front/usr/lib/python$version/lib-dynload" "$front/app"
# The standard library without what a small web server never opens; what is left is compiled here once, for a
# container has no compiled files of its own and would spend its first half second making them.
tar --create --directory "$stage/usr/lib/python$version" \
    --exclude=./{test,idlelib,lib2to3,ensurepip,distutils,unittest,pydoc_data,tkinter,turtledemo,venv,wsgiref} \
    --exclude=./{asyncio,multiprocessing,sqlite3,curses,dbm,xml,xmlrpc,ctypes,lib-dynload,'config-*',pydoc.py} . |
    tar --extract --directory "$front/usr/lib/python$version"
cp "$here"/images/frontend/*.py "$front/app/"
cp "$here/images/frontend/page.html" "$front/app/"
chroot "$front" "$python" -m compileall -q -b --invalidation-mode unchecked-hash \
    -s / "/usr/lib/python$version" /app || die "compiling the front end failed"
find "$front/usr/lib/python$version" "$front/app" -name '*.py' -delete
import "$front" "$frontend" 80 '["python3", "-S", "-E", "/app/guestbook.pyc"]'
say "done"
