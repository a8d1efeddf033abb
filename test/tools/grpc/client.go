package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// outcome is what a caller sees of a call.
type outcome struct {
	Replies []string            `json:"replies"`
	Code    string              `json:"code"`
	Message string              `json:"message"`
	Header  map[string][]string `json:"header"`
	Trailer map[string][]string `json:"trailer"`
	// ServerSawEnd tells whether the server heard within two seconds that the caller gave up.
	ServerSawEnd bool `json:"serverSawEnd"`
}

type caller struct {
	connection *grpc.ClientConn
	context    context.Context
}

var streamKinds = map[string]*grpc.StreamDesc{
	"Echo":  {StreamName: "Echo", ServerStreams: true, ClientStreams: true},
	"Sum":   {StreamName: "Sum", ClientStreams: true},
	"Break": {StreamName: "Break", ServerStreams: true},
	"Wait":  {StreamName: "Wait", ServerStreams: true},
}

func callAll(ctx context.Context, address, authority string) (map[string]outcome, error) {
	connection, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(authority))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	c := caller{connection, ctx}
	return map[string]outcome{
		"unary":          c.unary("Upper", "hello"),
		"unary of 2 MB":  shortened(c.unary("Upper", strings.Repeat("x", 2_000_000))),
		"trailers only":  c.unary("Refuse", "way"),
		"no such method": c.unary("Nothing", ""),
		"bidi":           c.bidi(100),
		"client stream":  c.clientStream(),
		"broken off":     c.brokenOff(),
		"cancelled":      c.givenUp(context.WithCancel(ctx)),
		"deadline":       c.givenUp(context.WithTimeout(ctx, 300*time.Millisecond)),
	}, nil
}

func (c caller) unary(method, text string) outcome {
	ctx := metadata.AppendToOutgoingContext(c.context, "x-given", "a", "x-given", "b", "x-given-bin", "\x00\xff")
	var header, trailer metadata.MD
	var reply wrapperspb.StringValue
	err := c.connection.Invoke(ctx, "/"+serviceName+"/"+method, wrapperspb.String(text), &reply, grpc.Header(&header), grpc.Trailer(&trailer))
	result := ended(err, header, trailer)
	if err == nil {
		result.Replies = []string{reply.GetValue()}
	}
	return result
}

func (c caller) stream(ctx context.Context, method string) grpc.ClientStream {
	stream, err := c.connection.NewStream(ctx, streamKinds[method], "/"+serviceName+"/"+method)
	if err != nil {
		panic(err)
	}
	return stream
}

// bidi sends the next message when the answer to the last one is there: nothing may be kept back on the way.
func (c caller) bidi(messages int) outcome {
	stream := c.stream(c.context, "Echo")
	var last string
	for index := range messages {
		if err := stream.SendMsg(wrapperspb.String(fmt.Sprint(index))); err != nil {
			return ended(err, nil, nil)
		}
		text, err := receive(stream)
		if err != nil {
			return ended(err, nil, nil)
		}
		last = text
	}
	_ = stream.CloseSend()
	return drained(stream, last)
}

func (c caller) clientStream() outcome {
	stream := c.stream(c.context, "Sum")
	for _, text := range []string{"a", "b", "c"} {
		_ = stream.SendMsg(wrapperspb.String(text))
	}
	_ = stream.CloseSend()
	return drained(stream)
}

func (c caller) brokenOff() outcome {
	stream := c.stream(c.context, "Break")
	_ = stream.SendMsg(wrapperspb.String(""))
	_ = stream.CloseSend()
	return drained(stream)
}

// givenUp waits for the first message, then gives up or lets the deadline pass, and asks the server whether it noticed.
func (c caller) givenUp(ctx context.Context, cancel context.CancelFunc) outcome {
	defer cancel()
	id := fmt.Sprint(rand.Uint64())
	stream := c.stream(ctx, "Wait")
	_ = stream.SendMsg(wrapperspb.String(id))
	_ = stream.CloseSend()
	first, err := receive(stream)
	if err != nil {
		return ended(err, nil, nil)
	}
	if _, hasDeadline := ctx.Deadline(); !hasDeadline || time.Until(deadlineOf(ctx)) > 10*time.Second {
		cancel()
	}
	result := drained(stream, first)
	result.Message = ""
	for range 200 {
		if seen := c.unary("WasCancelled", id); len(seen.Replies) == 1 && seen.Replies[0] == "yes" {
			result.ServerSawEnd = true
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return result
}

func deadlineOf(ctx context.Context) time.Time {
	deadline, _ := ctx.Deadline()
	return deadline
}

func drained(stream grpc.ClientStream, replies ...string) outcome {
	for {
		text, err := receive(stream)
		if err == nil {
			replies = append(replies, text)
			continue
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		header, _ := stream.Header()
		result := ended(err, header, stream.Trailer())
		result.Replies = replies
		return result
	}
}

func ended(err error, header, trailer metadata.MD) outcome {
	state := status.Convert(err)
	return outcome{Code: state.Code().String(), Message: state.Message(), Header: own(header), Trailer: own(trailer)}
}

// own keeps what the server of this program sets.
func own(given metadata.MD) map[string][]string {
	kept := map[string][]string{}
	for name, values := range given {
		if strings.HasPrefix(name, "x-") || name == "content-type" {
			kept[name] = values
		}
	}
	return kept
}

func shortened(result outcome) outcome {
	for index, text := range result.Replies {
		result.Replies[index] = fmt.Sprintf("%d × %s", len(text), text[:1])
	}
	return result
}
