#!/usr/bin/env bash
# What a Workbench instance runs as root after its first start, and again after an upgrade of its image: the repository in the
# home folder, and on a Python instance a kernel with the packages of the lock, and Node where that is asked for.
# A second run changes nothing that is there. What differs between instances stands in their metadata (infra/stacks/workbench.py).
set -euo pipefail
shopt -s inherit_errexit

readonly METADATA=http://metadata.google.internal/computeMetadata/v1/instance/attributes
readonly JUPYTER_HOME=/home/jupyter
readonly CHECKOUT=$JUPYTER_HOME/playbook
# In the home folder, which is a disk of its own and outlives an upgrade.
readonly KERNEL=$JUPYTER_HOME/.playbook
readonly LOCK=$CHECKOUT/cloudbuild/requirements-workbench.lock
readonly NODE_LOCK=$CHECKOUT/requirements-node.lock

attribute() {
  curl --fail --silent --show-error --retry 5 --header 'Metadata-Flavor: Google' "$METADATA/$1"
}

# Root only where a machine asks for it: everything in the home folder is the notebook user's own.
as_jupyter() {
  runuser --user jupyter -- env "HOME=$JUPYTER_HOME" "$@"
}

clone() {
  if [[ -d $CHECKOUT/.git ]]; then
    echo "The repository is there, and it is left as people have it: $CHECKOUT"
    return
  fi
  # Fetched whole, since the revision may be a commit, which no clone can be asked for.
  as_jupyter git clone --quiet "$1" "$CHECKOUT"
  as_jupyter git -C "$CHECKOUT" checkout --quiet "$2"
}

install_driver() {
  if lspci | grep --quiet --ignore-case nvidia && ! command -v nvidia-smi > /dev/null; then
    /opt/deeplearning/install-driver.sh
  fi
}

supported_python() {
  local candidate
  for candidate in python3.13 python3.12 python3.11 /opt/conda/bin/python3 /opt/conda/envs/*/bin/python3; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2> /dev/null; then
      echo "$candidate"
      return
    fi
  done
  as_jupyter /opt/conda/bin/conda create --quiet --yes --override-channels --channel conda-forge --prefix "$KERNEL/python" python=3.11 >&2
  echo "$KERNEL/python/bin/python3"
}

# Packages of a lock, by their digests; --no-deps, since the lock is complete and overrides pins that packages declare.
install() {
  as_jupyter "$KERNEL/venv/bin/pip" install --quiet --no-deps --require-hashes --requirement "$1"
}

make_kernel() {
  local python digest
  digest=$(cat "$LOCK" "$NODE_LOCK" | sha256sum | cut -d ' ' -f 1)
  if [[ $(cat "$KERNEL/installed" 2> /dev/null) == "$digest" ]] && "$KERNEL/venv/bin/python" -c ''; then
    echo "The kernel is there, with the packages of the lock: $KERNEL/venv"
    return
  fi
  as_jupyter mkdir -p "$KERNEL"
  python=$(supported_python)
  as_jupyter "$python" -m venv --clear "$KERNEL/venv"
  install "$LOCK"
  if [[ $1 == true ]]; then
    install "$NODE_LOCK"
    (cd "$CHECKOUT" && as_jupyter env "PATH=$KERNEL/venv/bin:$PATH" npm ci --silent)
  fi
  as_jupyter "$KERNEL/venv/bin/python" -m ipykernel install --user --name playbook --display-name Playbook \
    --env ENV "$2" --env PYTHONPATH "$CHECKOUT" --env PATH "$KERNEL/venv/bin:/usr/local/bin:/usr/bin:/bin"
  # Last, so that what was cut short is done again.
  echo "$digest" | as_jupyter tee "$KERNEL/installed" > /dev/null
}

# Read first, each by itself: a failed command inside an argument would not end the script.
repository=$(attribute playbook-repository)
revision=$(attribute playbook-revision)
kind=$(attribute playbook-kind)
node=$(attribute playbook-node)
environment=$(attribute playbook-environment)

clone "$repository" "$revision"
if [[ $kind == python ]]; then
  install_driver
  make_kernel "$node" "$environment"
fi
