# find-flag returns the flag of a program that is written so, or $nil.
fn find-flag {|program word|
  for f $flags[$program] {
    if (eq $f[flag] $word) {
      put $f
      return
    }
  }
  put $nil
}

# with puts text before candidates.
fn with {|before|
  each {|c|
    if (eq (kind-of $c) string) {
      put $before$c
    } elif (eq $before '') {
      put $c
    } else {
      put $before$c[stem]
    }
  }
}

# value completes a value, of which text is there after before. Its fields are between
# colons.
fn value {|spec before text|
  var fields = [(str:split : $spec)]
  while (str:contains $text :) {
    var head rest = (str:split &max=2 : $text)
    set before text = $before$head':' $rest
    set fields = $fields[1..]
    if (eq $fields []) {
      return
    }
  }
  var kinds @words = (str:split ' ' $fields[0])
  if (and (str:contains $kinds l) (str:contains $text ,)) {
    var i = (str:last-index $text ,)
    set before text = $before$text[..(+ $i 1)] $text[(+ $i 1)..]
  }
  all $words | with $before
  if (str:contains $kinds f) {
    edit:complete-filename $text | with $before
  } elif (str:contains $kinds d) {
    edit:complete-filename $text | each {|c| if (path:is-dir &follow-symlink=$true $c[stem]) { put $c } } | with $before
  }
  if (str:contains $kinds c) {
    edit:complete-sudo hk $text | with $before
  }
  if (str:contains $kinds u) {
    each {|l| put (str:split : $l | take 1) } < /etc/passwd | with $before
  }
  if (str:contains $kinds g) {
    each {|l| put (str:split : $l | take 1) } < /etc/group | with $before
  }
}

# complete completes the last of the words of a program.
fn complete {|@words|
  var program = (path:base $words[0])
  var current = $words[-1]
  var n = (- (count $words) 1)
  var dashed = (has-value $dashes $program)
  if (and $dashed (> $n 1) (eq $words[1] completion)) {
    if (== $n 2) {
      all $shells
    } else {
      keys $flags
    }
    return
  }
  var i = 1
  var ended = $false
  while (< $i $n) {
    var w = $words[$i]
    if (eq $w --) {
      set ended i = $true (+ $i 1)
      break
    } elif (and (str:has-prefix $w --) (str:contains $w =)) {
      nop
    } elif (and (str:has-prefix $w -) (not-eq $w -)) {
      if (not (str:has-prefix $w --)) {
        set w = -$w[-1]
      }
      var f = (find-flag $program $w)
      if (and (not-eq $f $nil) (eq $f[takes] yes)) {
        set i = (+ $i 1)
        if (== $i $n) {
          value $f[spec] '' $current
          return
        }
      }
    } else {
      set ended = $true
      break
    }
    set i = (+ $i 1)
  }
  if (and (not $ended) (str:has-prefix $current --) (str:contains $current =)) {
    var name text = (str:split &max=2 = $current)
    var f = (find-flag $program $name)
    if (not-eq $f $nil) {
      value $f[spec] $name= $text
    }
  } elif (and (not $ended) (or $dashed (str:has-prefix $current -))) {
    for f $flags[$program] {
      edit:complex-candidate $f[flag] &display=(str:trim-right $f[flag]'  '$f[about] ' ')
      if (eq $f[takes] maybe) {
        edit:complex-candidate $f[flag]= &code-suffix='' &display=$f[flag]=
      }
    }
    if $dashed {
      put -- completion
    }
  } else {
    edit:complete-sudo hk (all $words[$i..])
  }
}
