# Reads an object's dependencies as the compiler wrote them, and lets it depend on the configuration symbols that its
# sources name instead of on all of autoconf.h: so only they are compiled again whose symbols have another value.
# kconfig.py touches the file of each such symbol.
#
#   awk -v autoconf=PATH -v symbols=DIR -f symbols.awk OBJECT.d
#
# A name that the preprocessor pastes together cannot be found in the text; then it stays at autoconf.h.

function names_of(file,    line, name)
{
    while ((getline line < file) > 0) {
        if (line ~ /CONFIG_##/)
            pasted = 1
        while (match(line, /CONFIG_[A-Z0-9_]+/)) {
            name = tolower(substr(line, RSTART + 7, RLENGTH - 7))
            gsub(/_/, "/", name)
            named[name] = 1
            line = substr(line, RSTART + RLENGTH)
        }
    }
    close(file)
}

{ said[NR] = $0 }
/^[^ ].*:( |$)/ { rules++ }
rules == 1 {
    for (i = 1; i <= NF; i++) {
        if ($i ~ /:$/)
            object = $i
        else if ($i != "\\" && $i != autoconf)
            names_of($i)
    }
    last = NR
}
END {
    for (n = 1; n <= NR; n++) {
        if (n <= last && !pasted) {
            sub(" " autoconf "$", "", said[n])
            sub(" " autoconf " ", " ", said[n])
        }
        print said[n]
    }
    if (pasted)
        exit
    printf "%s $(wildcard", object
    for (name in named)
        printf " %s/%s.h", symbols, name
    print ")"
}
