#!/bin/sh
# Install what a goal needs and the machine does not have: deps.sh build|run|check|bench|cross ...
# Silent when nothing is missing. Without the right to install, it says what to type. Never removes a package.
# For check also the npm packages of tests/system/node, into its node_modules (not tracked).
build="gcc libc6-dev make libnghttp2-dev libmbedtls-dev libc-ares-dev python3 python3-kconfiglib"
run="$build nghttp2-server nghttp2-client curl iproute2"
check="$run ccache clang clang-format clang-tidy libclang-rt-14-dev llvm cppcheck libcmocka-dev python3-pytest
    python3-pytest-xdist python3-h2 strace chromium mandoc shellcheck busybox openssl gnutls-bin nghttp2-proxy apache2-bin libnss3-tools
    ca-certificates rsyslog lnav"
bench="$run nghttp2-proxy haproxy apache2-bin strace wrk procps"

# For cross: compilers of other architectures, their libraries (Debian's foreign architectures), and qemu to run them.
foreign="arm64 mipsel s390x"
cross="$build gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-mipsel-linux-gnu libc6-dev-mipsel-cross
    gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user ccache"
for arch in $foreign; do
    for package in libc6 libnghttp2-dev libmbedtls-dev libc-ares-dev libcmocka-dev; do
        cross="$cross $package:$arch"
    done
done

# Node.js may also come from elsewhere than Debian, with its npm.
command -v node >/dev/null || check="$check nodejs"
command -v npm >/dev/null || check="$check npm"

install_packages() {
    if [ "$(id -u)" = 0 ]; then
        root=
    elif sudo -n true 2>/dev/null; then
        root="sudo -n"
    else
        echo "These packages are missing. Type:" >&2
        for arch in $unknown; do echo "  sudo dpkg --add-architecture $arch" >&2; done
        echo "  sudo apt-get update && sudo apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    echo "deps: installing$missing"
    for arch in $unknown; do $root dpkg --add-architecture "$arch" || exit 1; done
    $root env DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null >&2 ||
        echo "deps: apt-get update failed; trying with the package lists as they are" >&2
    if ! $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --no-remove \
        -o DPkg::Lock::Timeout=300 $missing </dev/null >&2
    then
        echo "deps: could not install$missing" >&2
        exit 1
    fi
}

# The npm packages that a lock file names. A copy of it beside them tells that they are there.
install_peers() {
    cmp -s "$1/package-lock.json" "$1/node_modules/.installed" && return
    echo "deps: installing npm packages into $1/node_modules"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2 &&
        cp package-lock.json node_modules/.installed) || { echo "deps: npm ci failed in $1" >&2; exit 1; }
}

wanted=
wanted_archs=
peers=
for set in "$@"; do
    case $set in
    build) wanted="$wanted $build" ;;
    run) wanted="$wanted $run" ;;
    check) wanted="$wanted $check" peers=tests/system/node ;;
    bench) wanted="$wanted $bench" ;;
    cross) wanted="$wanted $cross" wanted_archs=$foreign ;;
    *) echo "deps: no such set: $set" >&2; exit 2 ;;
    esac
done

missing=
unknown=
if command -v dpkg-query >/dev/null; then
    native=$(dpkg --print-architecture)
    known=" $(dpkg --print-foreign-architectures | tr '\n' ' ')"
    for arch in $wanted_archs; do
        case "$known" in *" $arch "*) ;; *) unknown="$unknown $arch" ;; esac
    done
    # A package of another architecture is called name:architecture.
    present=" $(dpkg-query -W -f='${db:Status-Abbrev}${Package}:${Architecture}\n' $wanted 2>/dev/null |
        sed -n "s/^ii //p" | sed "s/:$native\$//; s/:all\$//" | tr '\n' ' ')"
    for package in $(printf "%s\n" $wanted | sed "s/:$native\$//"); do
        case "$present$missing " in *" $package "*) ;; *) missing="$missing $package" ;; esac
    done
else
    echo "deps: this is not Debian, so nothing is checked. Needed, by Debian's names:" $wanted >&2
fi
[ -z "$missing" ] || install_packages
[ -z "$peers" ] || install_peers "$peers"
