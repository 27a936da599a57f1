#!/bin/sh
# GitOps: a job that renews what is due, and commits a Secret for each certificate into the repository of the current
# folder. SEAL is a program that seals a Secret, such as `kubeseal --format yaml`: never commit one that is not sealed.
set -eu

mkdir -p secrets
# Without a file, a certificate is new here; with one, it changes when the certificate was renewed.
renewed=$(natspki rotate --due 30d --json | jq -r '.certificates[].name')
natspki list --json | jq -r '.certificates[] | select(.keyFile and .profile != "authority") | .name' |
  while read -r name; do
    file="secrets/nats-$name.yaml"
    case " $(echo "$renewed" | tr '\n' ' ') " in *" $name "*) rm -f "$file" ;; esac
    [ -e "$file" ] && continue
    natspki export "$name" --format kubernetes --secret "nats-$name" --namespace nats --sealed-by "$SEAL" --out "$file"
  done
git add secrets
git diff --cached --quiet || git commit --quiet --message 'Renew certificates of NATS'
