# Print what the completer of a program puts for lines. The editor is not there without a
# terminal: its functions that the completer calls are made here.
use str
var completers = [&]
fn complex {|stem &code-suffix='' &display=''| put [&stem=$stem] }
fn filename {|@a|
  for f [(put $a[-1]*[nomatch-ok])] {
    put [&stem=$f]
  }
}
fn sudo {|@a|
  if (== (count $a) 2) {
    for f [(put bin/*)] {
      put (str:trim-prefix $f bin/)
    }
  } elif (eq $a[1] player) {
    put --loud --soft
  } else {
    $completers[$a[1]] (all $a[1..])
  }
}
var module = (slurp < hk)
set module = (str:replace 'set edit:completion:arg-completer[$name] = $complete~' 'set completers[$name] = $complete~' $module)
eval $module &ns=(ns [&completers=$completers &edit:=(ns [&complex-candidate~=$complex~ &complete-filename~=$filename~ &complete-sudo~=$sudo~])]) &on-end={|n| set completers = $n[completers] }
for line $args {
  echo '# '$line
  var words = [(str:split ' ' $line)]
  $completers[$words[0]] $@words | each {|c|
    if (eq (kind-of $c) map) {
      echo $c[stem]
    } else {
      echo $c
    }
  }
}
