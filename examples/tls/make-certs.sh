#!/bin/sh
# Writes certs/ beside this file, or into the folder named as the first word: an authority that lasts a year and
# certificates of it for shop.example, api.example, internal.example and a client. For trying out only.
set -eu
cd "${1:-$(dirname "$0")}"
umask 077
mkdir -p certs
cd certs

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=Example CA" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout ca.key -out ca.pem 2>/dev/null

issue() { # file, subject alternative name, extended key usage
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf 'subjectAltName=%s\nextendedKeyUsage=%s\nbasicConstraints=critical,CA:FALSE\n' "$2" "$3" > "$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 90 \
        -extfile "$1.ext" -out "$1.pem" 2>/dev/null
    rm "$1.csr" "$1.ext"
}

issue shop     "DNS:shop.example,DNS:www.shop.example" serverAuth
issue api      "DNS:api.example"                       serverAuth
issue internal "DNS:internal.example"                  serverAuth
issue client   "DNS:partner.example"                   clientAuth
