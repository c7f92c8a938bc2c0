#!/bin/bash
# Written by Saddle {{version}}, in {{directory}}, by:
#   {{command}}
# `sbatch` on this file submits the same job again. Runs that are done are left alone, others go on where they were.
{{directives}}

# A run folder and its configuration for every task of the array; a job that is no array is task 0.
runs=(
{{runs}}
)
configs=(
{{configs}}
)
task=${SLURM_ARRAY_TASK_ID:-0}
run=${runs[task]}
config=${configs[task]}

saddle=({{saddle}})
launch=({{launch}})
flags=({{flags}})
retries={{retries}} # failures in a row that are tried again, after a pause that doubles
backoff={{backoff}} # seconds of the first pause
requeue={{requeue}} # 1: after saving on request, wait for another turn

# A lock that this job left in a run folder on a node that died is taken over.
export SADDLE_JOB=slurm-$SLURM_JOB_ID

step='' asked='' ending='' interrupted=''
# USR1 comes before the time limit (--signal) or from scancel: every rank saves and exits with 75. It is passed on until
# they have ended, since a rank that is only starting does not hear it.
pass_on() { while kill -USR1 "$1" 2> /dev/null; do sleep 5; done; }
trap 'interrupted=1 asked=1; [ -n "$step" ] && pass_on "$step" &' USR1
# TERM comes when Slurm ends the job. It tells the ranks itself; here it only must not end the script before them.
trap 'interrupted=1 ending=1' TERM

# The exit code of process $1, although signals interrupt the waiting.
await() {
  local code
  while :; do
    interrupted=''
    wait "$1"
    code=$?
    [ -n "$interrupted" ] || return "$code"
  done
}

# When a summary was written last. One by which ranks say that they saved on request outweighs the code of their launcher,
# which ends the others as soon as the first has ended, and then tells of that.
written() { stat -c %y "$run/summary.json" 2> /dev/null; }

failures=0
while :; do
  if grep -qs '"status": "done"' "$run/summary.json"; then
    echo "$run is done"
    exit 0
  elif [ -e "$run/config.yaml" ] || [ -e "$run/experiment.yaml" ]; then
    work=(resume "$run")
  else
    work=(train "$config" --out "$run")
  fi
  before=$(written)
  "${launch[@]}" "${saddle[@]}" "${work[@]}" "${flags[@]}" &
  step=$!
  await "$step"
  code=$?
  step=''
  [ "$(written)" != "$before" ] && grep -qs '"status": "stopped"' "$run/summary.json" && code=75
  # 0 done, 2 wrong usage: neither gets better. 75 saved on request. All else is a failure.
  case $code in 0 | 2 | 75) break ;; esac
  ((++failures > retries)) && break
  [ -n "$asked$ending" ] && break
  pause=$((backoff * 2 ** (failures - 1)))
  echo "failed with $code; try $failures of $retries in $pause s" >&2
  sleep "$pause" &
  await $!
  [ -n "$asked$ending" ] && break
done

# Asked to save, ranks that could not have their last checkpoint: the next turn goes on from there.
case $code in 75) again=saved ;; 0 | 2) again='' ;; *) again=${asked:+'not saved in time'} ;; esac
if [ -n "$again" ] && [ "$requeue" = 1 ] && [ -z "$ending" ]; then
  echo "$again; waiting for another turn"
  scontrol requeue "$SLURM_JOB_ID" && sleep 600 # until Slurm ends this script
fi
exit "$code"
