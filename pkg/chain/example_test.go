package chain_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"hk/pkg/chain"
	"hk/pkg/idmap"
	"hk/pkg/limit"
	"hk/pkg/mount"
	"hk/pkg/setuser"
	"hk/pkg/unshare"

	"golang.org/x/sys/unix"
)

// A build: the source is read-only, the output is a directory of the host's, and there is
// no network.
func Example() {
	out, err := os.MkdirTemp("", "build")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(out)

	ctx := context.Background()
	box, err := chain.New(
		&unshare.Namespaces{All: true},
		&idmap.Maps{Root: true},
		&mount.Mounts{Entries: []mount.Entry{
			{Kind: mount.RootFS, Source: "/"},
			{Kind: mount.Proc, Target: "/proc"},
			{Kind: mount.Dev, Target: "/dev"},
			{Kind: mount.Tmpfs, Target: "/tmp"},
			{Kind: mount.Bind, Source: out, Target: "/out"},
		}},
		&setuser.Credentials{Caps: "none", NoNewPrivs: true},
	).Prepare(ctx)
	if err != nil {
		log.Fatal(err)
	}
	cmd := box.CommandContext(ctx, "sh", "-c", "echo built >/out/result; ls /home 2>&1")
	cmd.Dir = "/tmp"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/tmp"}
	words, err := cmd.CombinedOutput()
	var exit *chain.ExitError
	switch {
	case errors.As(err, &exit):
		fmt.Printf("exit status %d: %s", exit.ExitCode(), words)
	case err != nil:
		log.Fatal(err)
	}
	result, err := os.ReadFile(filepath.Join(out, "result"))
	fmt.Print(string(result), err, "\n")
	// Output:
	// exit status 2: ls: cannot access '/home': No such file or directory
	// built
	// <nil>
}

// Stages as on a command line.
func ExampleParse() {
	ctx := context.Background()
	c, err := chain.Parse(strings.Fields("hk-unshare --all hk-idmap hk-mount --rootfs / --proc --tmpfs /tmp hk-setuser --caps none"))
	if err != nil {
		log.Fatal(err)
	}
	box, err := c.Prepare(ctx)
	if err != nil {
		log.Fatal(err)
	}
	out, err := box.CommandContext(ctx, "sort", "-n").Output()
	fmt.Printf("%q %v\n", out, err)
	// Output: "" <nil>
}

// A judge: the time by the clock is the context's, CPU time and memory are limits of each
// process, and how it ended tells which.
func Example_judge() {
	const mib = 1 << 20
	box, err := chain.New(
		&unshare.Namespaces{All: true},
		&idmap.Maps{Root: true},
		&mount.Mounts{Entries: []mount.Entry{{Kind: mount.RootFS, Source: "/"}}},
		&setuser.Credentials{Caps: "none", NoNewPrivs: true},
		&limit.Limits{List: []limit.Limit{
			{Resource: "cpu", Soft: 2, Hard: 3},
			{Resource: "data", Soft: 64 * mib, Hard: 64 * mib},
			{Resource: "fsize", Soft: mib, Hard: mib},
			{Resource: "core"},
		}},
	).Prepare(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	judge := func(answer, script string) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		cmd := box.CommandContext(ctx, "sh", "-c", script)
		cmd.Stdin = strings.NewReader("3 4\n")
		out, err := cmd.Output()
		var exit *chain.ExitError
		var start *chain.StartError
		switch {
		case errors.As(err, &start):
			log.Fatal("not the program's fault: ", err)
		case errors.Is(err, context.DeadlineExceeded):
			fmt.Println("too slow")
		case errors.As(err, &exit):
			fmt.Println("failed:", exit)
		case strings.TrimSpace(string(out)) != answer:
			fmt.Println("wrong")
		default:
			fmt.Println("right")
		}
	}
	judge("7", "read a b; echo $((a + b))")
	judge("7", "read a b; echo $a$b")
	judge("7", "exit 3")
	judge("7", "sleep 1000")
	// Output:
	// right
	// wrong
	// failed: exit status 3
	// too slow
}

// A server: each connection is served in a sandbox of its own, which has the connection as
// standard input and output, and no other network.
func Example_server() {
	c, err := chain.Parse(strings.Fields("hk-unshare --all hk-idmap --root hk-mount --rootfs / --proc --dev /dev --tmpfs /tmp hk-setuser --caps none"))
	if err != nil {
		log.Fatal(err)
	}
	box, err := c.Prepare(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	serve := func(conn *net.TCPConn) error {
		defer conn.Close()
		socket, err := conn.File()
		if err != nil {
			return err
		}
		defer socket.Close()
		// Go's sockets do not block, which the payload does not expect.
		if err := unix.SetNonblock(int(socket.Fd()), false); err != nil {
			return err
		}
		cmd := box.Command("sh", "-c", `read name; echo "hello $name, from PID $$"`)
		cmd.Stdin, cmd.Stdout = socket, socket
		return cmd.Run()
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn.(*net.TCPConn))
		}
	}()
	for _, name := range []string{"a", "b"} {
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintln(client, name)
		line, _ := bufio.NewReader(client).ReadString('\n')
		fmt.Print(line)
		client.Close()
	}
	// Output:
	// hello a, from PID 1
	// hello b, from PID 1
}

// Reading what a payload writes while it runs.
func ExampleCmd_StdoutPipe() {
	c, err := chain.Parse(strings.Fields("hk-unshare --user --pid hk-idmap --root"))
	if err != nil {
		log.Fatal(err)
	}
	box, err := c.Prepare(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	cmd := box.Command("seq", "3")
	out, err := cmd.StdoutPipe()
	if err != nil {
		log.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Println("line", lines.Text())
	}
	fmt.Println(cmd.Wait())
	// Output:
	// line 1
	// line 2
	// line 3
	// <nil>
}

// Many at once: one box, any number of goroutines.
func ExampleBox_Command() {
	c, err := chain.Parse(strings.Fields("hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / --proc"))
	if err != nil {
		log.Fatal(err)
	}
	box, err := c.Prepare(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	sums := make([]string, 20)
	var wg sync.WaitGroup
	for i := range sums {
		wg.Go(func() {
			out, err := box.Command("expr", fmt.Sprint(i), "*", fmt.Sprint(i+1)).Output()
			if err != nil && i > 0 { // expr(1) exits with 1 for 0
				log.Print(err)
			}
			sums[i] = strings.TrimSpace(string(out))
		})
	}
	wg.Wait()
	fmt.Println(strings.Join(sums[:6], " "))
	// Output: 0 2 6 12 20 30
}

// Looking at the plan: what is done for each command, and nothing else is.
func ExampleBox_Explain() {
	c, err := chain.Parse(strings.Fields("hk-unshare --user --uts --hostname box"))
	if err != nil {
		log.Fatal(err)
	}
	box, err := c.Prepare(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	from, to := io.Pipe()
	go func() { to.CloseWithError(box.Explain(to)) }()
	for lines := bufio.NewScanner(from); lines.Scan(); {
		if strings.Contains(lines.Text(), "sethostname") {
			fmt.Println(lines.Text())
		}
	}
	// Output: child    sethostname("box", 3)
}

// A start error is of another type than the payload's end, and knows the system call.
func ExampleStartError() {
	c, err := chain.Parse(strings.Fields("hk-unshare --user --pid hk-idmap --root"))
	if err != nil {
		log.Fatal(err)
	}
	box, err := c.Prepare(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	err = box.Command("/usr/bin/nonexistent").Run()
	var start *chain.StartError
	fmt.Println(errors.As(err, &start), errors.Is(err, unix.ENOENT))
	err = box.Command("false").Run()
	fmt.Println(errors.As(err, &start), err)
	// Output:
	// true true
	// false exit status 1
}
