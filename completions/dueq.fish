# Completion of dueq(1) for fish. Commands and options come from the program's own --help, names of
# queues from the server, if one is named by --url or DUEQ_URL or the private one already runs.

function __dueq_commands
    dueq --help 2>/dev/null | awk '/^  [a-z]/ {
        name = $1
        for (i = 2; i <= NF && index($0, name " " $i) == 3 && $i ~ /^[a-z]+$/; i++) name = name " " $i
        rest = substr($0, 3 + length(name))
        summary = match(rest, /  +[^ ].*$/) ? substr(rest, RSTART, RLENGTH) : ""
        sub(/^ +/, "", summary)
        print name "\t" summary }'
end

# The words typed so far that are neither options nor the program.
function __dueq_words
    string match --invert -- '-*' (commandline --tokenize --cut-at-cursor --current-process)[2..-1]
end

# The command typed so far: the first run of words that is one, or begins one of two words.
function __dueq_command
    set --local names (__dueq_commands | string replace --regex '\t.*' '')
    set --local command
    for word in (__dueq_words)
        set --local longer (string join ' ' $command $word)
        if contains -- $longer $names; or string match --quiet -- "$longer *" $names
            set command $longer
        else if test -n "$command" # else it is the value of a global option
            break
        end
    end
    echo $command
end

function __dueq_next_commands
    set --local command (__dueq_command)
    if test -z "$command"
        __dueq_commands | awk -F'\t' '{ split($1, word, " ")
            if (!seen[word[1]]++) print word[1] "\t" (word[1] == $1 ? $2 : "…") }'
    else
        __dueq_commands | string replace --filter --regex "^$command " ''
    end
end

function __dueq_options
    set --local command (string split --no-empty ' ' -- (__dueq_command))
    dueq $command --help 2>/dev/null | awk '/^  (-[A-Za-z], +)?--[a-z]/ {
        match($0, /--[a-z][a-z-]*/)
        name = substr($0, RSTART, RLENGTH); rest = substr($0, RSTART + RLENGTH)
        summary = match(rest, /  +[^ ].*$/) ? substr(rest, RSTART, RLENGTH) : ""
        sub(/^ +/, "", summary)
        print name "\t" summary }'
end

function __dueq_queues
    set --local words (commandline --tokenize --cut-at-cursor --current-process)
    set --local url $DUEQ_URL
    if set --local at (contains --index -- --url $words)
        set url $words[(math $at + 1)]
    end
    if test -z "$url"
        dueq server status >/dev/null 2>&1; or return
        set url local:
    end
    timeout 1 dueq --url $url --json queues 2>/dev/null |
        string replace --filter --regex '.*"queue": *"([^"]*)".*' '$1'
end

function __dueq_wants_queue
    set --local command (__dueq_command)
    not __dueq_value; or return 1
    __dueq_commands | string match --quiet --regex "^$command\\t"; or return 1
    not string match --quiet --regex '^(server|doctor|demo|bench|lock|import|queues|help)' -- $command
end

# What stands behind --, when it is a command line of its own.
function __dueq_rest
    set --local words (commandline --tokenize --cut-at-cursor --current-process)
    set --local dashes (contains --index -- -- $words); or return 1
    contains -- (__dueq_command) work lock; or return 1
    echo (string escape -- $words[(math $dashes + 1)..-1]) (commandline --current-token)
end

# Whether a value of that option is being typed, and of any that has one.
function __dueq_value_of
    contains -- (commandline --tokenize --cut-at-cursor --current-process)[-1] $argv
end
function __dueq_value
    set --local option (commandline --tokenize --cut-at-cursor --current-process)[-1]
    set --local command (string split --no-empty ' ' -- (__dueq_command))
    string match --quiet --regex '^--[a-z]' -- $option; or return 1
    dueq $command --help 2>/dev/null | string match --quiet --regex "^  (-[A-Za-z], +)?$option [A-Z]"
end

complete --command dueq --no-files
complete --command dueq --condition '__dueq_value_of --url' \
    --arguments 'redis:// rediss:// redis-cluster:// redis-sentinel:// unix: local:'
complete --command dueq --condition '__dueq_value_of --if-exists' \
    --arguments 'keep replace earliest latest fail'
complete --command dueq --condition '__dueq_value_of --durability' --arguments 'none replicas:1 fsync'
complete --command dueq --condition '__dueq_value_of --state' --arguments 'waiting ready leased dead'
complete --command dueq --condition '__dueq_value_of --unit' --arguments 's ms'
complete --command dueq --condition '__dueq_value_of --into' --arguments '(__dueq_queues)'
complete --command dueq --condition '__dueq_value_of --log-format' --arguments 'logfmt json'
complete --command dueq --condition '__dueq_value_of --log-level' --arguments 'error warn info debug'
complete --command dueq --condition '__dueq_value_of --lost-signal' \
    --arguments '(kill -l | string split " ")'
complete --command dueq --condition '__dueq_value_of --http-ca --http-secret-file' --force-files
complete --command dueq --condition 'not __dueq_value' --arguments '(__dueq_next_commands)'
complete --command dueq --arguments '(__dueq_options)' \
    --condition 'not __dueq_rest; and string match --quiet -- "-*" (commandline --current-token)'
complete --command dueq --condition __dueq_wants_queue --arguments '(__dueq_queues)'
complete --command dueq --condition 'test (__dueq_command) = bench' \
    --arguments 'push work lateness mix burst memory idle scale'
complete --command dueq --condition __dueq_rest --arguments '(complete --do-complete (__dueq_rest))'
