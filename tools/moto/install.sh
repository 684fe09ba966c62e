#!/bin/sh
# Installs moto, whose server stands in for AWS in tests of its credentials, once a computer, from PyPI. Needs python3 with
# pip. Does nothing when it is there; several runs at once do no harm, as each installs aside and moves it into place.
set -eu

version=5.2.5
folder=${CELL_CACHE:-$HOME/.cache/cell}/moto/$version
[ -d "$folder/moto" ] && exit 0

python3 -m pip --version >/dev/null 2>&1 || { echo "tools/moto/install.sh: there is no python3 with pip" >&2; exit 1; }
mkdir -p "$(dirname -- "$folder")"
draft=$folder.$$
trap 'rm -rf "$draft"' EXIT
trap 'exit 1' INT TERM
python3 -m pip install --quiet --target "$draft" "moto[ec2,iam,route53,sts]==$version" flask==3.1.3 flask-cors==6.0.2
PYTHONPATH=$draft python3 -c 'import moto.server'
mv -T "$draft" "$folder" 2>/dev/null || [ -d "$folder/moto" ]
