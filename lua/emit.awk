# Writes scripts.h and scripts.c: one dq_script a script, and the list of a partition's keys. A script
# with keys of its own (-- OWN KEYS:) takes none of a partition's: its caller names them.
# Input: the scripts as they stand in lua/. Variables: out, expanded (folders), digests ("name=sha1 …").

BEGIN {
    split(digests, pairs, " ")
    for (i in pairs) { split(pairs[i], pair, "="); sha1[pair[1]] = pair[2] }
}

FNR == 1 {
    name = FILENAME
    sub(/^.*\//, "", name)
    sub(/\.lua$/, "", name)
    names[++count] = name
}
/^-- KEYS:/ { keys[name] = rest($0) }
/^-- OWN KEYS:/ { own_count[name] = split(rest($0), ignored, / +/) }
/^-- ARGV:/ { arg_count[name] = split(rest($0), ignored, / +/) }

END {
    for (i = 1; i <= count; i++) {
        split(keys[names[i]], list, / +/)
        for (j = 1; j in list; j++)
            if (!(list[j] in seen)) { seen[list[j]] = 1; kinds[++kind_count] = list[j] }
        delete list
    }
    header()
    source()
}

function rest(line) {
    sub(/^-- [A-Za-z ]+: */, "", line)
    return line
}

function header(    file, i) {
    file = out "/scripts.h"
    print "/* Generated from lua/ by lua/pack. */" > file
    print "#ifndef DQ_SCRIPTS_H\n#define DQ_SCRIPTS_H\n\n#include \"wire/script.h\"\n" > file
    print "enum dq_key {" > file
    for (i = 1; i <= kind_count; i++) printf "    DQ_KEY_%s,\n", toupper(kinds[i]) > file
    print "    DQ_KEY_COUNT\n};\n\nextern const char *const dq_key_names[DQ_KEY_COUNT];\n" > file
    for (i = 1; i <= count; i++) printf "extern const dq_script dq_script_%s;\n", names[i] > file
    print "\n#endif" > file
    close(file)
}

function source(    file, i, j, n, list) {
    file = out "/scripts.c"
    print "/* Generated from lua/ by lua/pack. */\n#include \"scripts.h\"\n" > file
    print "#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n" > file
    print "const char *const dq_key_names[DQ_KEY_COUNT] = {" > file
    for (i = 1; i <= kind_count; i++) printf "    \"%s\",\n", kinds[i] > file
    print "};" > file
    for (i = 1; i <= count; i++) script(file, names[i])
    close(file)
}

function script(file, name,    n, j, list, own) {
    n = split(keys[name], list, / +/)
    own = name in own_count
    printf "\nstatic const char %s_text[] =\n", name > file
    literal(file, expanded "/" name ".lua")
    if (!own) {
        printf "static const unsigned char %s_keys[] = {", name > file
        for (j = 1; j <= n; j++) printf "%sDQ_KEY_%s", (j > 1 ? ", " : ""), toupper(list[j]) > file
        print "};" > file
    }
    printf "const dq_script dq_script_%s = {\n", name > file
    printf "    .name = \"%s\",\n    .sha1 = \"%s\",\n", name, sha1[name] > file
    printf "    .source = %s_text,\n    .source_len = sizeof %s_text - 1,\n", name, name > file
    printf "    .key_count = \"%d\",\n", own ? own_count[name] : n > file
    if (!own) printf "    .keys = %s_keys,\n    .keys_len = %d,\n", name, n > file
    printf "    .arg_count = %d,\n};\n", arg_count[name] > file
}

function literal(file, from,    line) {
    while ((getline line < from) > 0) {
        gsub(/\\/, "\\\\", line)
        gsub(/"/, "\\\"", line)
        printf "    \"%s\\n\"\n", line > file
    }
    close(from)
    print "    ;" > file
}
