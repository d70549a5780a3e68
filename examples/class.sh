#!/bin/sh
# A class from roster to stop: class.sh <cohort> <course> <roster.csv>
set -eu
cohort=$1 course=$2 roster=$3 template=${TEMPLATE:-code-server-exec}

class=$(bothy class create -json -cohort "$cohort" -course "$course" -template "$template")
key=$(echo "$class" | jq -r .key)
bothy roster import -json "$key" "$roster" | jq -r '.counts | to_entries[] | select(.value > 0) | "\(.value) \(.key)"'

launched=$(bothy run -json -detach "$key") # an operation: the work goes on without this script
until bothy operation status -json "$(echo "$launched" | jq -r .id)" | jq -e '.ended_at' >/dev/null; do
  sleep 1
done
bothy status -json "$key" | jq -r '.[] | [.student.email, .phase, .url, .reason] | @tsv'

stopped=$(bothy stop -json "$key") # without -detach it waits by itself
echo "$stopped" | jq -r '"\(.counts.done) of \(.counts.total) stopped"'
