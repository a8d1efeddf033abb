package main

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const serviceName = "sluice.test.Peer"

// peer remembers which calls of Wait were cancelled, by their text.
type peer struct {
	mutex     sync.Mutex
	cancelled map[string]bool
}

func serve(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	server.RegisterService(&service, &peer{cancelled: map[string]bool{}})
	return server.Serve(listener)
}

// Written by hand: the messages are strings, and a compiler of descriptions would be one tool more.
var service = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		unary("Upper", (*peer).upper),
		unary("Refuse", (*peer).refuse),
		unary("WasCancelled", (*peer).wasCancelled),
	},
	Streams: []grpc.StreamDesc{
		{StreamName: "Echo", Handler: streaming((*peer).echo), ServerStreams: true, ClientStreams: true},
		{StreamName: "Sum", Handler: streaming((*peer).sum), ClientStreams: true},
		{StreamName: "Break", Handler: streaming((*peer).breakOff), ServerStreams: true},
		{StreamName: "Wait", Handler: streaming((*peer).wait), ServerStreams: true},
	},
}

func unary(name string, method func(*peer, context.Context, string) (string, error)) grpc.MethodDesc {
	handler := func(self any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var asked wrapperspb.StringValue
		if err := decode(&asked); err != nil {
			return nil, err
		}
		answer, err := method(self.(*peer), ctx, asked.GetValue())
		if err != nil {
			return nil, err
		}
		return wrapperspb.String(answer), nil
	}
	return grpc.MethodDesc{MethodName: name, Handler: handler}
}

func streaming(method func(*peer, grpc.ServerStream) error) grpc.StreamHandler {
	return func(self any, stream grpc.ServerStream) error { return method(self.(*peer), stream) }
}

func receive(stream interface{ RecvMsg(any) error }) (string, error) {
	var message wrapperspb.StringValue
	err := stream.RecvMsg(&message)
	return message.GetValue(), err
}

// upper answers in capitals, and sends the caller's metadata back as headers and trailers.
func (*peer) upper(ctx context.Context, text string) (string, error) {
	given, _ := metadata.FromIncomingContext(ctx)
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-seen", strings.Join(given.Get("x-given"), ","), "x-seen-bin", strings.Join(given.Get("x-given-bin"), "")))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-after", "1", "x-after", "2"))
	return strings.ToUpper(text), nil
}

// refuse sends no headers and no message: all there is stands in the trailers.
func (*peer) refuse(ctx context.Context, text string) (string, error) {
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-why", "because"))
	return "", status.Error(codes.FailedPrecondition, "no "+text+" 100% ü")
}

func (p *peer) wasCancelled(_ context.Context, text string) (string, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.cancelled[text] {
		return "yes", nil
	}
	return "no", nil
}

// echo answers each message before it reads the next.
func (*peer) echo(stream grpc.ServerStream) error {
	for {
		text, err := receive(stream)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.SendMsg(wrapperspb.String("echo " + text)); err != nil {
			return err
		}
	}
}

func (*peer) sum(stream grpc.ServerStream) error {
	total := ""
	for {
		text, err := receive(stream)
		if errors.Is(err, io.EOF) {
			return stream.SendMsg(wrapperspb.String(total))
		}
		if err != nil {
			return err
		}
		total += text
	}
}

// breakOff fails after two messages.
func (*peer) breakOff(stream grpc.ServerStream) error {
	if _, err := receive(stream); err != nil {
		return err
	}
	for _, text := range []string{"one", "two"} {
		if err := stream.SendMsg(wrapperspb.String(text)); err != nil {
			return err
		}
	}
	stream.SetTrailer(metadata.Pairs("x-why", "broken"))
	return status.Error(codes.DataLoss, "after two")
}

// wait sends one message, and then nothing until the caller has had enough.
func (p *peer) wait(stream grpc.ServerStream) error {
	text, err := receive(stream)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(wrapperspb.String("waiting")); err != nil {
		return err
	}
	<-stream.Context().Done()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.cancelled[text] = true
	return stream.Context().Err()
}
