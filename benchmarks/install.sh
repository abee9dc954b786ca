#!/bin/sh
# Installs what `make bench` compares Consigne with: Debian's packages, where root.
# Running it again changes nothing. Where it cannot install, it says so and ends well:
# the tables then say "not installed" in the rivals' rows.
set -eu

missing=
for program in nginx age rclone curl; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || missing="$missing $program"
done
ls /usr/lib/nginx/modules/ngx_http_dav_ext_module.so >/dev/null 2>&1 ||
    missing="$missing libnginx-mod-http-dav-ext"

if [ -z "$missing" ]; then
    echo "benchmarks: all rivals are installed"
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "benchmarks: cannot install$missing: this needs root and Debian's apt-get"
    exit 0
fi

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # one word for each package
if ! { apt-get update -q && apt-get install -q -y --no-install-recommends $missing; } >&2; then
    echo "benchmarks: cannot install$missing: apt-get failed, see above"
    exit 0
fi

# Debian starts an nginx on port 80 when it installs it. The benchmark runs its own.
case "$missing" in
*" nginx"*)
    if [ -d /run/systemd/system ]; then
        systemctl disable --now --quiet nginx
    else
        service nginx stop >/dev/null 2>&1 || true
    fi
    ;;
esac
echo "benchmarks: installed$missing"
