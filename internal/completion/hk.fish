function __hk_walk -d 'Walk over the flags; __hk_rest has the words after them. Fails if they have not ended'
    set -l words (commandline -opc)
    set -l takes (__hk_takes (string replace -r '.*/' '' -- $words[1]))
    set -l i 2
    set -g __hk_rest
    while test $i -le (count $words)
        set -l word $words[$i]
        if test "$word" = --
            set -g __hk_rest $words[(math $i + 1)..-1]
            return 0
        else if string match -qr -- '^--[^=]*=' $word
            true
        else if string match -qr -- '^-.' $word
            string match -qr -- '^--' $word; or set word -(string sub -s -1 -- $word)
            contains -- $word $takes; and set i (math $i + 1)
        else
            set -g __hk_rest $words[$i..-1]
            return 0
        end
        set i (math $i + 1)
    end
    return 1
end

function __hk_command -d 'Complete the command after the flags, and its words'
    set -l current (commandline -ct)
    set -l words (commandline -opc)
    set -l name (string replace -r '.*/' '' -- $words[1])
    if contains -- $name $__hk_dashes; and test "$words[2]" = completion
        test (count $words) = 2; and printf '%s\n' $__hk_shells; or printf '%s\n' $__hk_programs
        return
    end
    if not __hk_walk
        string match -q -- '-*' $current; and return
        if contains -- $name $__hk_dashes
            printf '%s\n' -- completion
            return
        end
    end
    complete -C (string join -- ' ' (string escape -- $__hk_rest) "$current")
end

function __hk_files -d 'The files that a text is the start of'
    complete -C "hk-value-of-a-flag $argv[1]"
end

function __hk_value -d 'Complete a value, whose fields are between colons'
    set -l text (commandline -ct | string replace -r -- '^--[a-z0-9-]+=' '')
    set -l before ''
    set -l fields (string split : -- $argv[1])
    while string match -q -- '*:*' $text
        set -l parts (string split -m 1 : -- $text)
        set before $before$parts[1]:
        set text $parts[2]
        set -e fields[1]
    end
    test (count $fields) -gt 0; or return
    set -l words (string split ' ' -- $fields[1])
    set -l kinds $words[1]
    set -e words[1]
    if string match -q -- '*l*' $kinds; and string match -q -- '*,*' $text
        set -l parts (string split -r -m 1 , -- $text)
        set before $before$parts[1],
        set text $parts[2]
    end
    set -l found $words
    string match -q -- '*f*' $kinds; and set -a found (__hk_files $text)
    string match -q -- '*d*' $kinds; and set -a found (__hk_files $text | string match -r '^.*/(?:\t.*)?$')
    string match -q -- '*u*' $kinds; and set -a found (__fish_complete_users)
    string match -q -- '*g*' $kinds; and set -a found (__fish_complete_groups)
    string match -q -- '*c*' $kinds; and set -a found (complete -C "$text")
    for f in $found
        printf '%s%s\n' $before $f
    end
end
