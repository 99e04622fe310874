package example;

import com.amazonaws.services.lambda.runtime.Context;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

/** Handlers by the name of their method. */
public class Orders {
    /** With getters and setters, nested. */
    public static class Order {
        private String id;
        private List<Item> items = new ArrayList<>();
        private Map<String, Item> byName;
        private boolean paid;
        private Status status;
        public Long total;
        public int[] codes;

        public String getId() {
            return id;
        }

        public void setId(String id) {
            this.id = id;
        }

        public List<Item> getItems() {
            return items;
        }

        public void setItems(List<Item> items) {
            this.items = items;
        }

        public Map<String, Item> getByName() {
            return byName;
        }

        public void setByName(Map<String, Item> byName) {
            this.byName = byName;
        }

        public boolean isPaid() {
            return paid;
        }

        public void setPaid(boolean paid) {
            this.paid = paid;
        }

        public Status getStatus() {
            return status;
        }

        public void setStatus(Status status) {
            this.status = status;
        }
    }

    public static class Item {
        public String name;
        public double price;
        public BigDecimal exact;
        public UUID key;
        public byte[] bytes;
    }

    public enum Status { OPEN, CLOSED }

    public Order echo(Order order, Context context) {
        order.total = order.items.stream().mapToLong(item -> (long) item.price).sum();
        context.getLogger().log(order.id);
        return order;
    }

    public static Integer sum(List<Integer> numbers) {
        int sum = 0;
        for (Integer number : numbers) {
            sum += number;
        }
        return sum;
    }

    public String shout(String text) {
        return text.toUpperCase() + "\"\u0001ß";
    }

    public Set<Long> distinct(Set<Long> numbers) {
        return numbers;
    }

    public double half(double number) {
        return number / 2;
    }

    public void nothing(Map<String, Double> ignored) {
        ignored.clear();
    }

    public Object none() {
        return Collections.singletonList(new TreeMap<>(Collections.singletonMap("a", 1)));
    }

    public void copy(InputStream in, OutputStream out) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (int next = in.read(); next >= 0; next = in.read()) {
            all.write(next);
        }
        out.write(("{\"length\":" + all.size() + "}").getBytes());
    }

    /** The longer one, with a context, is meant. */
    public String which(String text) {
        return "short";
    }

    public String which(String text, Context context) {
        return "long";
    }

    public String odd(String one, String two) {
        return one + two;
    }
}
