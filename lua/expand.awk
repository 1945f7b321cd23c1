# Writes one whole script: locals for the outcomes, keys and arguments it uses, the shared pieces it
# includes, and its own text without comments.
# Input: the outcome lists, then the script. Variables: script (its name), shared (the folder).

FILENAME != script {
    if (match($0, /^OUTCOME\((DUEQ|DQ)_[A-Z_]+, *-?[0-9]+/)) {
        entry = substr($0, RSTART + 8, RLENGTH - 8)
        sub(/^(DUEQ|DQ)_/, "", entry)
        split(entry, part, /, */)
        outcome_names[++outcome_count] = part[1]
        outcome_numbers[outcome_count] = part[2]
    }
    next
}

/^-- (OWN )?KEYS:/ { key_count = words($0, keys); next }
/^-- ARGV:/ { arg_count = words($0, args); next }
/^-- include:/ { piece_count = words($0, pieces); next }
{ body = body code($0) }

END {
    for (i = 1; i <= piece_count; i++) text = text piece(pieces[i])
    text = text body
    for (i = 1; i <= outcome_count; i++)
        if (uses(text, outcome_names[i])) printf "local %s = %s\n", outcome_names[i], outcome_numbers[i]
    for (i = 1; i <= key_count; i++) printf "local %s = KEYS[%d]\n", keys[i], i
    for (i = 1; i <= arg_count; i++) printf "local %s = ARGV[%d]\n", args[i], i
    if (uses(text, "ARGS")) printf "local ARGS = %d\n", arg_count
    if (uses(text, "NAMED")) printf "local NAMED = %d\n", key_count
    printf "%s", text
}

function words(line, into) {
    sub(/^-- [A-Za-z ]+: */, "", line)
    return split(line, into, / +/)
}

function code(line) {
    sub(/^[ \t]*--.*$/, "", line)
    sub(/[ \t]+-- .*$/, "", line)
    return line == "" ? "" : line "\n"
}

function piece(name,    file, line, whole) {
    file = shared "/" name ".lua"
    if ((getline line < file) < 0) {
        print "lua/expand.awk: no shared piece " file > "/dev/stderr"
        exit 1
    }
    do whole = whole code(line); while ((getline line < file) > 0)
    close(file)
    return whole
}

function uses(where, name) {
    return match(where, "(^|[^A-Za-z0-9_])" name "([^A-Za-z0-9_]|$)")
}
