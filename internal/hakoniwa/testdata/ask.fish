# Print what fish completes for lines.
source ./hk
complete -c player -f -l loud
complete -c player -f -l soft
for line in $argv
    echo "# $line"
    complete -C $line | string replace -r '\t.*' ''
end
true
