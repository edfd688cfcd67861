# Version, commit and time of a build of a release: sourced by .dist/build and .image/build in the root of the
# checkout. It sets and exports VERSION, COMMIT and SOURCE_DATE_EPOCH, unless they are given: the newest
# release in CHANGELOG.md; the commit of the checkout, with "-changed" behind it if files differ; when
# that was committed. TAGS are those of the Go build, which keep the programs small: no HTTP/2, as the
# programs speak HTTP on their own sockets only, and nothing of what urfave/cli needs to write documents.
# shellcheck shell=bash
VERSION=${VERSION:-$(sed -nE 's/^## \[([0-9]+\.[0-9]+\.[0-9]+)\].*/\1/p;T;q' CHANGELOG.md)}
if [ -z "${COMMIT:-}" ]; then
  COMMIT=$(git rev-parse HEAD)
  [ -z "$(git status --porcelain)" ] || COMMIT+=-changed
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
TAGS=nethttpomithttp2,urfave_cli_no_docs
export VERSION COMMIT SOURCE_DATE_EPOCH TAGS
