// Command cel runs a CEL program of Elastic's mito over the pages that the URLs of its standard input name
// and makes a bulk body of each: what Elastic's CEL input does from an answer to the request to Elasticsearch,
// without sending it. It prints rows, seconds of CPU in user and system mode, and its peak memory in MB.
//
//	cel PROGRAM < urls
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"reflect"
	"syscall"
	"time"

	"github.com/elastic/mito/lib"
	"github.com/google/cel-go/cel"
	"google.golang.org/protobuf/types/known/structpb"
)

func main() {
	log.SetFlags(0)
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	program, err := compiled(string(text))
	if err != nil {
		log.Fatal(err)
	}
	rows, began := 0, cpu()
	urls := bufio.NewScanner(os.Stdin)
	for urls.Scan() {
		events, err := evaluated(program, urls.Text())
		if err != nil {
			log.Fatal(err)
		}
		if _, err := bulk(events); err != nil {
			log.Fatal(err)
		}
		rows += len(events)
	}
	fmt.Printf("%d %.3f %.1f\n", rows, (cpu() - began).Seconds(), peak())
}

func compiled(text string) (cel.Program, error) {
	env, err := cel.NewEnv(
		cel.Variable("state", cel.DynType),
		cel.OptionalTypes(cel.OptionalTypesVersion(lib.OptionalTypesVersion)),
		lib.Collections(), lib.JSON(nil), lib.HTTP(http.DefaultClient, nil, nil),
	)
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	return env.Program(ast)
}

// evaluated returns the events of one evaluation, as the CEL input takes them: through structpb.
func evaluated(program cel.Program, url string) ([]any, error) {
	state := map[string]any{"state": map[string]any{"url": url}}
	out, _, err := program.ContextEval(context.Background(), state)
	if err != nil {
		return nil, err
	}
	native, err := out.ConvertToNative(reflect.TypeOf((*structpb.Struct)(nil)))
	if err != nil {
		return nil, err
	}
	return native.(*structpb.Struct).AsMap()["events"].([]any), nil
}

// bulk writes the events as the lines of a bulk request.
func bulk(events []any) ([]byte, error) {
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	stamp := time.Now().UTC().Format(time.RFC3339Nano)
	for _, event := range events {
		body.WriteString("{\"create\":{}}\n")
		fields := event.(map[string]any)
		fields["@timestamp"] = stamp
		if err := lines.Encode(fields); err != nil {
			return nil, err
		}
	}
	return body.Bytes(), nil
}

func usage() syscall.Rusage {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	return used
}

func cpu() time.Duration {
	used := usage()
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// peak is read from the kernel's own count: a child's Maxrss begins with its parent's.
func peak() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return float64(usage().Maxrss) / 1024
	}
	for _, line := range bytes.Split(status, []byte("\n")) {
		var kilobytes float64
		if _, err := fmt.Sscanf(string(line), "VmHWM: %f kB", &kilobytes); err == nil {
			return kilobytes / 1024
		}
	}
	return 0
}
