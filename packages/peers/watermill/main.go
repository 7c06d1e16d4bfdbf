// Reads and writes by Watermill, as its documentation shows: `watermill kafka ADDRESS`, `watermill rabbitmq URL`, `watermill redis ADDRESS`.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

var logger = watermill.NewStdLogger(false, false)

func main() {
	publisher, subscriber := connect(os.Args[1], os.Args[2])
	// #region router
	router, err := message.NewRouter(message.RouterConfig{}, logger)
	must(err)
	router.AddNoPublisherHandler("orders", "watermill-reads", subscriber, func(msg *message.Message) error {
		fmt.Println("GOT", string(msg.Payload))
		return nil
	})
	// #endregion router
	go func() {
		<-router.Running()
		// #region write
		msg := message.NewMessage(watermill.NewUUID(), []byte(`{"id":1}`))
		msg.Metadata.Set("name", "order.placed")
		msg.Metadata.Set("tenant", "acme")
		must(publisher.Publish("watermill-writes", msg))
		// #endregion write
		fmt.Println("READY")
	}()
	must(router.Run(context.Background()))
	fmt.Println("CLOSED")
}

func connect(kind, url string) (message.Publisher, message.Subscriber) {
	switch kind {
	case "kafka":
		publisher, err := kafka.NewPublisher(kafka.PublisherConfig{Brokers: []string{url}, Marshaler: kafka.DefaultMarshaler{}}, logger)
		must(err)
		sarama := kafka.DefaultSaramaSubscriberConfig()
		sarama.Consumer.Offsets.Initial = -2 // from the beginning
		subscriber, err := kafka.NewSubscriber(kafka.SubscriberConfig{
			Brokers: []string{url}, Unmarshaler: kafka.DefaultMarshaler{}, OverwriteSaramaConfig: sarama, ConsumerGroup: "go",
		}, logger)
		must(err)
		return publisher, subscriber
	case "rabbitmq", "rabbitmq-pubsub":
		// #region rabbitmq
		config := amqp.NewDurableQueueConfig(url)
		// #endregion rabbitmq
		if kind == "rabbitmq-pubsub" {
			// #region pubsub
			config = amqp.NewDurablePubSubConfig(url, amqp.GenerateQueueNameTopicNameWithSuffix("go"))
			// #endregion pubsub
		}
		publisher, err := amqp.NewPublisher(config, logger)
		must(err)
		subscriber, err := amqp.NewSubscriber(config, logger)
		must(err)
		return publisher, subscriber
	default:
		client := redis.NewClient(&redis.Options{Addr: url})
		publisher, err := redisstream.NewPublisher(redisstream.PublisherConfig{Client: client}, logger)
		must(err)
		subscriber, err := redisstream.NewSubscriber(redisstream.SubscriberConfig{Client: client, ConsumerGroup: "go", OldestId: "0"}, logger)
		must(err)
		return publisher, subscriber
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
